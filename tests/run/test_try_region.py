"""A region quantified anew: unchanged parameters give the stored cells, changed ones what a run would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import histoquant as hq
from histoquant.errors import StoreError, UsageError
from histoquant.run.options import marker_with
from histoquant.run.try_region import RegionTrial, read_finished, try_region

NAME = "P01_T1_V1_CD68"
BOX_UM = (60.0, 80.0, 260.0, 250.0)


def trial(slides: Path, results: Path, name: str = NAME, **settings: float) -> RegionTrial:
    with hq.open_slide(slides / f"{name}.tif") as slide:
        return try_region(slide, read_finished(results, name), BOX_UM, settings)


def inside(cells: pd.DataFrame, results: Path) -> pd.DataFrame:
    """Cells of a whole slide whose seed lies in the box."""
    mpp_x, mpp_y = read_finished(results, NAME).planned.plan.plane_mpp_xy
    seed = cells["cell_id"].to_numpy(np.int64)
    x, y = seed & 0xFFFFFFFF, seed >> 32
    left, top, right, bottom = BOX_UM
    kept = (x >= int(left / mpp_x)) & (x < np.ceil(right / mpp_x))
    kept &= (y >= int(top / mpp_y)) & (y < np.ceil(bottom / mpp_y))
    return cells[kept].reset_index(drop=True)


@pytest.mark.parametrize("name", ["P01_T1_V1_CD68", "P01_T1_V1_CD20"])
def test_unchanged_parameters_give_the_stored_cells(
    finished_slides: Path, finished_results: Path, name: str
) -> None:
    stored = inside(hq.load_results(finished_results).cells(name), finished_results)
    found = trial(finished_slides, finished_results, name).cells
    assert len(stored) > 20
    columns = [column for column in stored.columns if column != "outline_xy_px"]
    pd.testing.assert_frame_equal(found[columns], stored[columns], check_dtype=False)
    assert all(
        np.array_equal(a, b) for a, b in zip(found["outline_xy_px"], stored["outline_xy_px"], strict=True)
    )


def test_changed_parameters_give_what_a_run_of_the_slide_would(
    finished_slides: Path, finished_results: Path
) -> None:
    settings = {"nucleus_min_um2": 30.0, "cytoplasm_um": 4.0, "threshold_od": 0.3}
    found = trial(finished_slides, finished_results, **settings)
    marker = marker_with("CD68", {name: str(value) for name, value in settings.items()})
    with hq.open_slide(finished_slides / f"{NAME}.tif") as slide:
        whole = hq.quantify(slide, marker).cells
    expected = inside(whole, finished_results)
    assert found.cells["cell_id"].tolist() == expected["cell_id"].tolist()
    assert found.cells["positive"].tolist() == expected["positive"].tolist()
    assert found.cells["dab_od"].to_numpy() == pytest.approx(expected["dab_od"].to_numpy(), nan_ok=True)
    before = trial(finished_slides, finished_results)
    assert len(found.cells) < len(before.cells)
    assert found.tissue_mm2 == before.tissue_mm2 > 0


def test_the_tissue_map_comes_back_whole(finished_results: Path) -> None:
    table = hq.load_results(finished_results).slides.set_index("slide_id")
    for name in table.index:
        tissue = read_finished(finished_results, str(name)).planned.tissue
        assert tissue.tissue_mm2 == pytest.approx(table.loc[name, "tissue_mm2"], rel=1e-6)
        assert tissue.excluded_mm2 == pytest.approx(table.loc[name, "excluded_mm2"], rel=1e-6, abs=1e-9)


def test_what_cannot_be_tried_says_why(
    finished_slides: Path, finished_results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = read_finished(finished_results, NAME)
    with hq.open_slide(finished_slides / f"{NAME}.tif") as slide:
        for box, says in (((0, 0, 4000, 10), "zoom in"), ((-90, -90, -10, -10), "off the slide")):
            with pytest.raises(UsageError, match=says):
                try_region(slide, finished, box, {})
        with pytest.raises(UsageError, match="nucleus_min_um2"):
            try_region(slide, finished, BOX_UM, {"nucleus_min_um2": 1e6})
    with pytest.raises(StoreError, match="missing or changed"):
        read_finished(finished_results, "P09")
