"""What makes phantoms hard: shapes kept exact, focus by depth, and a truth that follows the stain."""

from __future__ import annotations

import numpy as np
import pytest

from histoquant.errors import UsageError
from histoquant.phantoms import Responder, SceneSpec, build_scene, families, render_field, true_change
from histoquant.phantoms.bodies import NUCLEOLUS, empty_bodies, mean_stain, profiles, shape_bodies
from histoquant.phantoms.cells import CELL_TYPES
from histoquant.phantoms.damage import along_edge
from histoquant.phantoms.focus import focus_layers
from histoquant.phantoms.paint import POSITIVE_OD
from histoquant.phantoms.variety import _stretch, _widen
from histoquant.phantoms.visibility import visible

SIDE_UM = 260.0


def ellipsoid(long_um: float, short_um: float, deep_um: float, z: float = 2.0, dip: float = 0.0):
    body = empty_bodies(1)
    body["x"], body["y"], body["z"] = 20.0, 20.0, z
    sizes = (np.array([v]) for v in (long_um, short_um, deep_um))
    shape_bodies(body, *sizes, np.zeros(1), np.array([dip]))
    return body


def test_stretching_keeps_the_profile_area_and_widening_grows_it():
    body = ellipsoid(4.0, 3.0, 3.0)
    before = profiles(body, np.array([[0, 1]]))[0, 2]
    _stretch(body, np.array([0]), np.array([1.4]))
    assert profiles(body, np.array([[0, 1]]))[0, 2] == pytest.approx(before, rel=0.04)
    _widen(body, np.array([0]), np.array([1.5]))
    assert profiles(body, np.array([[0, 1]]))[0, 2] == pytest.approx(1.5 * before, rel=0.06)


def test_mean_stain_is_concentration_times_mean_chord():
    body = ellipsoid(3.0, 3.0, 50.0)  # a column: every chord is the whole section
    body["core_h"], body["core_s"] = 0.1, 0.05
    assert mean_stain(body, np.array([[0, 1]]))[0] == pytest.approx([0.4, 0.2], rel=1e-6)
    body["hole"] = 0  # cut out of itself nothing of the core is left
    assert mean_stain(body, np.array([[0, 1]]))[0] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_caps_far_from_focus_are_soft_and_whole_cells_sharp():
    whole, cap = ellipsoid(3.0, 3.0, 3.0), ellipsoid(3.0, 3.0, 3.0, z=6.0)
    layers = [int(focus_layers(b, 5, 1.0)[0]) for b in (whole, cap)]
    assert layers[0] < layers[1]
    assert focus_layers(cap, 5, 0.0)[0] == 0


@pytest.mark.parametrize(
    ("od", "area", "seen"), [(0.30, 28.0, True), (0.10, 60.0, False), (0.25, 6.0, False), (0.13, 50.0, True)]
)
def test_a_nucleus_is_seen_by_contrast_and_size(od, area, seen):
    nuclei = np.array([[50.0, 50.0, area, 3.0]])
    assert visible(nuclei, np.array([od]), (100.0, 100.0))[0] == seen


def test_variety_zero_is_the_textbook_and_one_spreads_haematoxylin():
    spread = []
    for variety in (0.0, 1.0):
        scene = build_scene(SceneSpec("CD68", (SIDE_UM, SIDE_UM), 3, variety=variety))
        groups = np.column_stack([scene.cells["first"], scene.cells["last"]]).astype(np.int64)
        thick = scene.visible & (scene.nuclei[:, 3] > 3.0)
        spread.append(np.log(mean_stain(scene.bodies, groups)[thick, 0]).std())
        assert (scene.bodies["part"] == NUCLEOLUS).any() == (variety > 0.0)
    assert spread[1] > 1.3 * spread[0]


@pytest.mark.parametrize("marker", ["CD68", "CD20", "nuclear"])
def test_positive_means_enough_marker(marker):
    _, truth = render_field(marker, SIDE_UM, 4, b_cells=600.0, macrophages=700.0, neutrophils=500.0)
    n = truth.nuclei
    assert n.marker_od[n.positive == 1].min() >= POSITIVE_OD[marker] - 0.001
    carriers = {"CD68": ("macrophage", "foamy"), "CD20": ("b_cell",)}.get(marker, CELL_TYPES)
    assert set(n.cell_type[n.positive == 1]) <= set(carriers)
    assert (n.positive[n.marker_od < POSITIVE_OD[marker] - 0.001] == 0).all()
    if marker == "CD68":  # weakly stained neutrophils are there, and none of them is positive
        weak = n.marker_od[n.cell_type == "neutrophil"]
        assert 0.01 < weak.median() < POSITIVE_OD["CD68"]


def test_dying_cells_are_listed_and_never_asked_for():
    _, truth = render_field("HE", SIDE_UM, 4, apoptotic=300.0)
    dying = truth.nuclei[truth.nuclei.cell_type == "apoptotic"]
    assert len(dying) > 5
    assert (dying.visible == 0).all()


def test_granules_without_a_cell_are_brown_and_not_listed():
    few, many = (render_field("CD68", SIDE_UM, 4, granules=g)[1] for g in (0.0, 2000.0))
    assert many.summary["stained_area_percent"] > few.summary["stained_area_percent"]
    assert many.summary["positive"] == few.summary["positive"]
    assert len(many.extras) == len(few.extras)


def test_density_asked_for_is_what_truth_counts():
    few, many = (render_field("CD68", 400.0, 6, macrophages=m)[1].summary for m in (300.0, 900.0))
    assert 2.0 < many["positive_per_mm2"] / few["positive_per_mm2"] < 4.0


def test_responder_falls_by_what_was_asked_for_and_repeats():
    pair = Responder(per_mm2=500.0, fall=0.4, area_mm2=0.2, field_um=230.0, seed=3)
    assert pair.count == 4
    fields = [list(pair.fields(visit)) for visit in ("baseline", "follow-up")]
    truths = [[truth for _, truth in visit] for visit in fields]
    assert all(len(visit) == 4 for visit in truths)
    area_mm2 = sum(t.summary["tissue_mm2"] for t in truths[0])
    assert area_mm2 >= 0.2
    assert -0.65 < true_change(*truths, "CD68") < -0.15
    again, _ = next(pair.fields("follow-up"))
    assert np.array_equal(again, fields[1][0][0])


@pytest.mark.parametrize("wrong", [{"marker": "HE"}, {"fall": 1.0}, {"area_mm2": 0.0}])
def test_impossible_responders_are_refused(wrong):
    with pytest.raises(UsageError):
        Responder(**wrong)


@pytest.mark.parametrize("name", ["clumps", "masking", "overlap"])
def test_shares_beyond_one_are_refused(name):
    with pytest.raises(UsageError, match=name):
        SceneSpec("CD68", **{name: 1.2})


def test_every_family_asks_for_a_scene_that_can_be_built():
    for family in families():
        size = (160.0, 160.0)
        scene = build_scene(SceneSpec(family.marker, size, 2, **{**family.scene, "crypts": 0.0}))
        for artefact in family.artefacts:
            if family.scene.get("fragments", 0) >= 0:
                assert along_edge(artefact, scene.ground).path
        assert (scene.cells["positive"].any() or family.marker == "HE") or len(scene.cells) < 400
