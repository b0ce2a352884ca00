"""The plan reads each slide at its own strength; what the user sets or a calibration locks goes first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import histoquant as hq
from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.job import RunParameters
from histoquant.run.options import marker_with
from histoquant.run.plan import SlidePlan, plan_of
from histoquant.run.quantify import quantify
from histoquant.stains import StainSettings


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "cd68.tif"
    rgb, truth = render_field("CD68", 220.0, 3, macrophages=700.0)
    write_slide(path, rgb, float(truth.summary["mpp"]))
    return path


def planned(path: Path, locked: StainSettings | None = None, **settings: str) -> SlidePlan:
    with hq.open_slide(path) as slide:
        return plan_of(slide, marker_with("CD68", settings), 0.5, locked).plan


def test_the_threshold_is_adapted_and_the_plan_says_why(scene: Path) -> None:
    plan = planned(scene)
    assert plan.threshold_source == "adapted"
    assert "of the standard" in plan.threshold_reason
    assert plan.marker.threshold_od == plan.threshold_od
    assert plan.hematoxylin_strength_od is not None
    assert plan.dab_strength_od == plan.strength_diagnostics["dab_od"]
    assert SlidePlan.model_validate_json(plan.model_dump_json()) == plan


def test_what_the_user_sets_is_not_adapted(scene: Path) -> None:
    plan = planned(scene, threshold_od="0.2")
    assert (plan.threshold_od, plan.threshold_source) == (0.2, "set")


def test_a_lock_goes_before_everything(scene: Path) -> None:
    own = planned(scene)
    lock = StainSettings(
        stain_names=own.stain_names,
        stain_matrix=own.stain_matrix,  # type: ignore[arg-type]
        vectors_source="locked",
        hematoxylin_strength_od=0.32,
        threshold_od=0.31,
        threshold_source="locked",
    )
    plan = planned(scene, lock)
    assert (plan.threshold_od, plan.threshold_source, plan.search_gain) == (0.31, "locked", 2048)
    assert plan.strength_diagnostics["dab_od"] > 0  # still measured, for the chart of drift


def test_a_negative_control_keeps_the_default(tmp_path: Path) -> None:
    rgb, truth = render_field("CD68", 220.0, 3, stain=0.0)
    write_slide(tmp_path / "negative.tif", rgb, float(truth.summary["mpp"]))
    plan = planned(tmp_path / "negative.tif")
    assert (plan.threshold_od, plan.threshold_source) == (0.2, "default")
    assert plan.dab_strength_od is None


def test_a_pale_slide_counts_the_same_in_any_tiling(tmp_path: Path) -> None:
    rgb, truth = render_field("CD68", 300.0, 3, "pale", macrophages=500.0)
    write_slide(tmp_path / "pale.tif", rgb, float(truth.summary["mpp"]))
    tables = []
    for size in (256, 1024):
        with hq.open_slide(tmp_path / "pale.tif") as slide:
            result = quantify(slide, "CD68", parameters=RunParameters(tile_size_px=size))
        assert result._planned.plan.search_gain > 1200
        tables.append(result.cells[["x_um", "y_um", "nucleus_area_um2", "positive"]].to_numpy(float))
    np.testing.assert_array_equal(*tables)
