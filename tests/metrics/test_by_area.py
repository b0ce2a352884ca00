from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histoquant.metrics.aggregates import find_aggregates
from histoquant.metrics.by_area import SHARED, StainedArea, anucleate_objects, count_sheets, one_cell_um2
from histoquant.metrics.cell_readouts import aggregate_columns, in_aggregates
from histoquant.metrics.tissue import Tissue

CELL_UM2 = 50.0


def _cells(x: np.ndarray, y: np.ndarray, positive: np.ndarray | bool = True) -> pd.DataFrame:
    return pd.DataFrame({"x_um": x, "y_um": y, "positive": np.broadcast_to(positive, len(x))})


def _sheet(per_block: float, blocks: int = 6) -> StainedArea:
    """Square sheet of 50 um blocks with room for this many cells each, which share area as neighbours do."""
    y, x = (v.ravel() for v in np.mgrid[:blocks, :blocks])
    area = np.full(blocks**2, per_block * SHARED * CELL_UM2)
    total = float(area.sum())
    return StainedArea((total,) * 3, np.arange(1), (50.0, 50.0), np.column_stack([x, y]), area)


def _uniform(n: int, side: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.random.default_rng(seed).uniform(0, side, (2, n))
    return x, y


def _apart(side: float, step: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Cells at distances that bodies keep, so that as many lie in a block as have room in it."""
    x, y = (v.ravel() + step / 2 for v in np.meshgrid(*[np.arange(0, side, step)] * 2))
    shift = np.random.default_rng(seed).uniform(-0.3 * step, 0.3 * step, (2, len(x)))
    return x + shift[0], y + shift[1]


def test_one_cell_is_told_from_objects_with_one_cell() -> None:
    ids = np.concatenate([np.arange(1, 31), np.repeat(99, 5), [0, 0, -1, -1]])
    areas = np.concatenate([np.full(30, 120.0), np.full(5, 900.0), [np.nan] * 4])
    positive = pd.DataFrame({"stain_object": ids, "stain_object_um2": areas})
    assert one_cell_um2(positive).value == 120
    assert one_cell_um2(positive[:10]).reason == "NO_CELL_AREA"


def test_objects_without_a_positive_nucleus_are_counted_apart() -> None:
    stained = StainedArea((1.0,) * 3, np.arange(1, 11), (50.0, 50.0), np.zeros((0, 2), np.int64), np.zeros(0))
    assert anucleate_objects(stained, pd.DataFrame({"stain_object": [2, 3, 3, -1, 0]})).value == 8


def test_a_sheet_that_shows_its_nuclei_is_counted_by_them() -> None:
    x, y = _apart(300, 15.0)
    assert len(x) == 400
    assert count_sheets(_sheet(400 / 36), _cells(x, y), CELL_UM2).added == 0


def test_a_sheet_that_hides_its_nuclei_is_counted_by_area() -> None:
    x, y = _uniform(100, 300)
    sheets = count_sheets(_sheet(10), _cells(x, y), CELL_UM2)
    assert 100 + sheets.added == pytest.approx(360, abs=1)


def test_brown_among_negative_cells_is_not_a_sheet() -> None:
    # ground substance stained between cells that are negative: no cell is hidden there
    # at distances that cells keep, every fourth positive
    x, y = (v.ravel() + 11.0 for v in np.meshgrid(*[np.arange(0, 300, 22.0)] * 2))
    assert count_sheets(_sheet(10), _cells(x, y, np.arange(len(x)) % 4 == 0), CELL_UM2).added == 0


def test_a_sheet_in_which_one_nucleus_in_six_is_hidden_is_counted_by_area() -> None:
    x, y = (axis[np.arange(400) % 6 > 0] for axis in _apart(300, 15.0))
    sheets = count_sheets(_sheet(400 / 36), _cells(x, y), CELL_UM2)
    assert len(x) + sheets.added == pytest.approx(400, rel=0.03)


def test_area_that_is_no_single_lymphocyte_counts_nothing() -> None:
    # the same brown, told as cells of 90 um2: haze is measured, not membranes
    x, y = _uniform(100, 300)
    assert count_sheets(_sheet(10), _cells(x, y), 79.0).added > 50
    assert count_sheets(_sheet(10), _cells(x, y), 90.0).added == 0


def test_the_order_of_cells_does_not_matter() -> None:
    x, y = _uniform(120, 300)
    one = count_sheets(_sheet(9.5), _cells(x, y), CELL_UM2)
    two = count_sheets(_sheet(9.5), _cells(x[::-1], y[::-1]), CELL_UM2)
    assert (one.block_xy == two.block_xy).all()
    assert (one.excess == two.excess).all()


def test_hidden_cells_go_to_their_aggregate() -> None:
    tissue = Tissue(np.ones((100, 100), bool), 10.0, 10.0)
    x, y = _uniform(900, 300)
    far_x, far_y = _uniform(40, 500, seed=2)
    cells = _cells(np.append(x, far_x + 500), np.append(y, far_y + 500))
    stained = _sheet(50)
    sheets = count_sheets(stained, cells, CELL_UM2)
    found = find_aggregates(cells["x_um"].to_numpy(), cells["y_um"].to_numpy(), tissue)
    split = in_aggregates(found, cells, sheets, stained)
    columns = aggregate_columns(split, sheets.added, tissue.area_mm2)
    assert split.table["count_mode"].tolist() == ["area"]
    inside, outside = columns["positive_in_aggregates"].value, columns["diffuse_positive"].value
    assert inside + outside == 940 + sheets.added
    assert inside == pytest.approx(1800, rel=0.05)
