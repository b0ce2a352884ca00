"""What the truth tables say is what the pixels show, by arithmetic of the test's own."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from histoquant.errors import UsageError
from histoquant.phantoms import (
    APPEARANCES,
    SCANNERS,
    Artefact,
    SceneSpec,
    build_scene,
    families,
    render,
    render_field,
    tell_truth,
)
from histoquant.phantoms.bodies import mean_stain
from histoquant.phantoms.paint import POSITIVE_OD
from histoquant.phantoms.section import stain_planes
from histoquant.phantoms.spec import CELL_DENSITIES
from histoquant.phantoms.truth import tissue_masks
from histoquant.phantoms.visibility import HIDDEN_UM, VISIBLE_CONTENT_OD_UM, VISIBLE_OD, contrast_od

CLEAR = replace(APPEARANCES["normal"], scanner=replace(SCANNERS["A"], sharpen=0.0, glare=0.0))
SIDE_UM = 300.0


@lru_cache(maxsize=12)
def field(marker: str, seed: int = 5, **scene: float):
    return render_field(marker, SIDE_UM, seed, CLEAR, **scene)


def second_stain_od(rgb: np.ndarray, marker: str) -> tuple[np.ndarray, np.ndarray]:
    """OD of haematoxylin and second stain by least squares on the vectors the phantom was drawn with."""
    od = -np.log10(np.maximum(rgb.astype(float), 1.0) / np.array(CLEAR.white_point))
    stains = np.linalg.lstsq(CLEAR.vectors(marker)[:2].T, od.reshape(-1, 3).T, rcond=None)[0]
    return stains[0].reshape(od.shape[:2]), stains[1].reshape(od.shape[:2])


def around(plane: np.ndarray, x_px: float, y_px: float, radius_px: float) -> np.ndarray:
    yy, xx = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]] + 0.5
    return plane[(xx - x_px) ** 2 + (yy - y_px) ** 2 <= radius_px**2]


def counted(truth, margin_px: float = 12.0):
    n = truth.nuclei
    side = SIDE_UM / 0.5 - margin_px
    inside = (n.x_px > margin_px) & (n.y_px > margin_px) & (n.x_px < side) & (n.y_px < side)
    return n[inside & (n.visible == 1) & (n.excluded == 0)]


@pytest.mark.parametrize("marker", ["CD68", "CD20", "nuclear"])
def test_positive_cells_are_brown_where_truth_puts_them(marker):
    rgb, truth = field(marker, b_cells=500.0, macrophages=400.0)
    _, dab = second_stain_od(rgb, marker)
    on = counted(truth)
    on = on[on.positive == 1]
    assert len(on) >= 8
    reach = {"CD68": 17.0, "CD20": 10.0, "nuclear": 5.0}[marker]
    peaks = [np.percentile(around(dab, r.x_px, r.y_px, reach), 90) for r in on.itertuples()]
    assert min(peaks) > POSITIVE_OD[marker]
    assert np.median(peaks) > 0.35


def test_negative_nuclei_carry_haematoxylin_and_no_dab():
    rgb, truth = field("nuclear")
    blue, dab = second_stain_od(rgb, "nuclear")
    off = counted(truth)
    off = off[(off.positive == 0) & (off.cell_type == "t_cell")]
    assert len(off) > 20
    # alone enough that no stained neighbour lies over them
    on = truth.nuclei[truth.nuclei.positive == 1]
    for row in off.itertuples():
        if np.hypot(on.x_px - row.x_px, on.y_px - row.y_px).min() > 20.0:
            assert np.median(around(dab, row.x_px, row.y_px, 2.5)) < 0.12
            assert np.median(around(blue, row.x_px, row.y_px, 2.5)) > 0.2


def test_negative_control_has_no_brown_and_no_positive():
    rgb, truth = field("CD68", stain=0.0)
    assert truth.summary["positive"] == 0
    assert truth.summary["stained_area_percent"] == 0.0
    _, dab = second_stain_od(rgb, "CD68")
    assert np.percentile(dab, 99.5) < 0.20


def test_every_visible_nucleus_is_darker_than_its_surroundings():
    rgb, truth = field("HE")
    blue, _ = second_stain_od(rgb, "HE")
    inside = [around(blue, r.x_px, r.y_px, 2.0).mean() for r in counted(truth).itertuples()]
    assert np.mean(np.array(inside) > np.median(blue) + 0.1) > 0.97


def test_visible_nuclei_are_apart_and_thick_enough():
    _, truth = field("CD20", aggregates=11.0)
    seen = truth.nuclei[truth.nuclei.visible == 1]
    gaps = np.hypot(*(seen[c].to_numpy()[:, None] - seen[c].to_numpy() for c in ("x_px", "y_px"))) * 0.5
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() >= HIDDEN_UM - 0.02
    assert seen.path_um.min() >= 1.0
    scene = build_scene(SceneSpec("CD20", (SIDE_UM, SIDE_UM), 5, aggregates=11.0))
    groups = np.column_stack([scene.cells["first"], scene.cells["last"]]).astype(np.int64)
    nuclear = mean_stain(scene.bodies, groups)
    stain = contrast_od(scene.spec, scene.cells, scene.bodies, scene.nuclei, nuclear)[scene.visible]
    assert len(stain) >= len(seen)
    assert stain.min() >= VISIBLE_OD
    assert (stain * np.sqrt(scene.nuclei[scene.visible, 2])).min() >= VISIBLE_CONTENT_OD_UM


def test_lumens_of_rings_are_glass_and_their_walls_are_brown():
    rgb, truth = field("CD31", vessels=260.0, crypts=0.0)
    _, dab = second_stain_od(rgb, "CD31")
    rings = truth.vessels[(truth.vessels.kind == "ring") & (truth.vessels.lumen_area_um2 > 60.0)]
    rings = rings[(rings.x_px.between(30, 570)) & (rings.y_px.between(30, 570))]
    assert len(rings) >= 3
    grey = rgb.astype(float).mean(2)
    glass = np.mean(CLEAR.white_point)
    # erythrocytes and out-of-focus cells may lie in a lumen: the brightest part of most is glass
    lumens = [np.percentile(around(grey, r.x_px, r.y_px, 3.0), 95) for r in rings.itertuples()]
    assert np.mean(np.array(lumens) > 0.90 * glass) > 0.7
    for ring in rings.itertuples():
        assert around(dab, ring.x_px, ring.y_px, ring.diameter_um + 4.0).max() > 0.35


def test_lumen_area_equals_the_glass_that_is_drawn():
    none = dict.fromkeys((*CELL_DENSITIES, "crypts", "gaps"), 0.0)
    spec = SceneSpec("CD31", (200.0, 200.0), 8, vessels=200.0, **none)
    scene = build_scene(spec)
    truth = tell_truth(scene, CLEAR)
    bare = scene.bodies.copy()  # nuclei and red cells may lie in a lumen: draw it without them
    for stain in ("core_h", "core_s", "shell_h", "shell_s", "occupancy"):
        bare[stain] = 0.0
    scene = replace(scene, bodies=bare, erythrocytes=scene.erythrocytes[:0])
    planes = stain_planes(scene, 0, 0, 800, 800)
    empty = (planes.second + planes.hematoxylin < 0.012) & planes.tissue
    labels, count = ndimage.label(empty)
    drawn = ndimage.sum_labels(empty, labels, np.arange(1, count + 1)) / 16.0
    ends = np.array([[s.start, s.stop] for pair in ndimage.find_objects(labels) for s in pair]).reshape(-1, 4)
    whole = (drawn > 25.0) & (ends[:, ::2] > 0).all(1) & (ends[:, 1::2] < 800).all(1)
    places = np.array(ndimage.center_of_mass(empty, labels, np.arange(1, count + 1)))[whole] / 2.0
    told = truth.vessels
    assert whole.sum() >= 3
    owner = np.array([np.hypot(told.x_px - x, told.y_px - y).argmin() for y, x in places])
    for vessel in np.unique(owner):  # a pinched vessel shows more than one lumen
        nearest, area = told.iloc[vessel], drawn[whole][owner == vessel].sum()
        # slanting rims are half wall, and stained debris may lie over a little of the lumen
        assert area == pytest.approx(nearest.lumen_area_um2, rel=0.25, abs=15.0)


def test_tissue_area_is_the_count_of_its_mask_and_glass_is_white_elsewhere():
    rgb, truth = render_field("CD68", 420.0, 3, CLEAR, fragments=1)
    scene = build_scene(SceneSpec("CD68", (420.0, 420.0), 3, fragments=1))
    tissue, bad = tissue_masks(scene, ())
    assert not bad.any()
    assert truth.summary["tissue_mm2"] == pytest.approx(tissue.sum() * 1e-6, abs=1e-9)
    half_um = tissue.repeat(2, 0).repeat(2, 1)
    grey = rgb.astype(float).mean(2)
    dark = grey < 0.965 * np.mean(CLEAR.white_point)
    assert dark[half_um].mean() > 0.85
    assert dark[~half_um].mean() < 0.02


def test_artefacts_move_cells_and_area_to_excluded():
    pen = Artefact("pen", ((-20.0, 150.0), (320.0, 150.0)), 40.0)
    rgb, truth = render_field("CD68", SIDE_UM, 5, CLEAR, artefacts=(pen,))
    plain = field("CD68")[1]
    assert truth.summary["tissue_mm2"] + truth.summary["excluded_mm2"] == pytest.approx(0.09, abs=1e-6)
    assert truth.summary["excluded_mm2"] == pytest.approx(0.3 * 0.08, rel=0.1)
    lost = truth.nuclei[(truth.nuclei.excluded == 1) & (truth.nuclei.visible == 1)]
    assert truth.summary["nuclei"] + len(lost) == plain.summary["nuclei"]
    assert (abs(lost.y_px * 0.5 - 150.0) < 50.0).all()
    under = rgb[280:320, 100:500].reshape(-1, 3).mean(0)
    assert under[2] > 2.0 * under[0]  # blue ink


def test_a_fold_is_darker_than_the_tissue_beside_it():
    fold = Artefact("fold", ((150.0, 60.0), (150.0, 240.0)), 20.0)
    folded, _ = render_field("CD68", SIDE_UM, 5, CLEAR, artefacts=(fold,))
    plain, _ = field("CD68")
    strip = np.s_[260:340, 288:312]
    assert folded[strip].mean() < 0.92 * plain[strip].mean()
    assert np.array_equal(folded[:, :150], plain[:, :150])


def test_three_scanners_see_the_same_truth():
    scene = build_scene(SceneSpec("CD31", (200.0, 200.0), 4))
    found = []
    for scanner in SCANNERS.values():
        seen = APPEARANCES["normal"].with_scanner(scanner)
        drawn = render(scene, seen)
        truth = tell_truth(scene, seen, (), drawn.stained_um2)
        assert drawn.rgb.shape[0] == int(200.0 / scanner.mpp + 1e-6)
        um = truth.nuclei[["x_px", "y_px"]].to_numpy() * scanner.mpp
        found.append((truth.summary, um[np.lexsort(um.T)], drawn.rgb))
    for summary, um, _ in found[1:]:
        for key in ("nuclei", "positive", "vessels", "lumen_area_um2", "tissue_mm2", "stained_area_percent"):
            assert summary[key] == found[0][0][key]
        assert np.abs(np.sort(um, axis=0) - np.sort(found[0][1], axis=0)).max() < 0.06  # a tenth of a pixel
    assert found[1][2].mean((0, 1))[2] < found[0][2].mean((0, 1))[2]  # scanner B is yellower


def test_same_arguments_same_pixels_and_another_seed_differs():
    first, truth = render_field("CD20", 120.0, 9)
    again, same = render_field("CD20", 120.0, 9)
    other, _ = render_field("CD20", 120.0, 10)
    assert np.array_equal(first, again)
    assert truth.nuclei.equals(same.nuclei)
    assert not np.array_equal(first, other)


def test_cd31_decoys_are_listed_apart():
    _, truth = field("CD31", decoys=200.0, macrophages=400.0)
    extras = truth.extras
    assert set(extras.kind) == {"nonvascular"}
    assert len(extras) >= 5
    macrophages = truth.nuclei[truth.nuclei.cell_type == "macrophage"]
    assert (macrophages.positive == 0).all()


def test_cd68_fragments_have_no_visible_nucleus():
    _, truth = field("CD68", macrophages=600.0)
    fragments = truth.extras[truth.extras.kind == "fragment"]
    assert len(fragments) >= 3
    on = truth.nuclei[(truth.nuclei.positive == 1) & (truth.nuclei.visible == 1)]
    assert fragments.area_um2.min() >= 15.0
    assert len(on) > len(fragments)


def test_blank_slide_is_glass_without_truth():
    rgb, truth = render_field("CD68", 150.0, 1, CLEAR, fragments=-1)
    assert truth.summary["tissue_mm2"] == 0.0
    assert truth.summary["positive_per_mm2"] == ""
    assert len(truth.nuclei) == len(truth.vessels) == 0
    assert rgb.min() > 200


def test_families_have_one_name_each_and_cover_every_marker_and_look():
    names = [f.name for f in families()]
    assert len(names) == len(set(names))
    assert all("/" not in name for name in names)
    for marker in ("CD68", "CD20", "CD31", "HE", "nuclear"):
        for look in APPEARANCES:
            assert f"{marker}-{look}" in names


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"marker": "CD3"}, "CD68"), ({"size_um": (5.0, 90.0)}, "40 um"), ({"vessels": -1.0}, "vessels"),
     ({"fragments": 7}, "fragments")],
)  # fmt: skip
def test_impossible_scenes_are_refused(wrong, says):
    with pytest.raises(UsageError, match=says):
        SceneSpec(**{"marker": "CD68", **wrong})


def test_unknown_appearance_lists_the_known_ones():
    with pytest.raises(UsageError, match="normal"):
        render_field("CD68", 100.0, 1, "sepia")
