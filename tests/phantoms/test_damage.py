"""Edge DAB and crushed tissue: where they are drawn, what they leave alone, and what truth says of them."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.phantoms import Artefact, SceneSpec, build_scene, render_field
from histoquant.phantoms.damage import along_edge, damage_stains
from histoquant.phantoms.section import stain_planes

SIDE_UM = 300.0
CRUSH = Artefact("crush", ((150.0, 150.0),), 60.0, seed=3)


def test_edge_dab_follows_the_tissue_edge_and_browns_it():
    edge = Artefact("edge_dab", (), 40.0, seed=4)
    scene = build_scene(SceneSpec("CD68", (SIDE_UM, SIDE_UM), 6, fragments=1, stain=0.0))
    placed = along_edge(edge, scene.ground)
    assert len(placed.path) > 3
    rgb, truth = render_field("CD68", SIDE_UM, 6, artefacts=(edge,), fragments=1, stain=0.0)
    plain, whole = render_field("CD68", SIDE_UM, 6, fragments=1, stain=0.0)
    changed = (plain.astype(int) - rgb)[..., 2]
    x, y = np.array(placed.path).T
    at = zip((x / 0.5).astype(int), (y / 0.5).astype(int), strict=True)
    near = [changed[max(b - 12, 0) : b + 13, max(a - 12, 0) : a + 13].max() for a, b in at]
    assert np.median(near) > 40
    assert np.percentile(changed, 98) > 40
    assert truth.summary["excluded_mm2"] > 0.05 * whole.summary["tissue_mm2"]
    total = truth.summary["tissue_mm2"] + truth.summary["excluded_mm2"]
    assert total == pytest.approx(whole.summary["tissue_mm2"], abs=1e-6)


def test_a_field_without_edges_has_no_edge_dab():
    with pytest.raises(UsageError, match="edge"):
        render_field("CD68", SIDE_UM, 6, artefacts=(Artefact("edge_dab", (), 40.0),))


def test_crushing_smears_within_its_patch_and_keeps_the_rest():
    rgb, truth = render_field("CD68", SIDE_UM, 6, artefacts=(CRUSH,))
    plain, _ = render_field("CD68", SIDE_UM, 6)
    assert np.array_equal(rgb[:, :60], plain[:, :60])
    inside = np.s_[250:350, 250:350]
    assert np.abs(rgb[inside].astype(int) - plain[inside]).mean() > 5
    lost = truth.nuclei[truth.nuclei.excluded == 1]
    assert len(lost) > 5
    assert np.hypot(lost.x_px - 300.0, lost.y_px - 300.0).max() * 0.5 < 60.0 * 1.7


def test_damage_does_not_depend_on_the_window():
    scene = build_scene(SceneSpec("CD20", (SIDE_UM, SIDE_UM), 6))
    wide = damage_stains(stain_planes(scene, 300, 300, 500, 500), (CRUSH,), scene, 300, 300)
    part = damage_stains(stain_planes(scene, 420, 380, 200, 150), (CRUSH,), scene, 420, 380)
    cut = np.s_[80:230, 120:320]
    assert np.allclose(part.hematoxylin, wide.hematoxylin[cut], atol=1e-5)
    assert np.allclose(part.second, wide.second[cut], atol=1e-5)
