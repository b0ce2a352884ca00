"""Bands and aggregates after corrections, on made cells whose places are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histoquant.metrics.aggregates import find_aggregates
from histoquant.metrics.cell_readouts import aggregate_columns, in_aggregates
from histoquant.metrics.tissue import Tissue
from histoquant.review.corrections import AGGREGATE_COLUMNS, SlideTables, reviewed
from histoquant.review.events import FieldReview
from histoquant.review.log_file import Item
from histoquant.review.reviewed_bands import reviewed_bands
from histoquant.review.tissue_grid import GRID_UM, TissueGrid, fill

EDGE_UM = 1600.0
WHOLE = Item("a", "s", 0.0, 0.0, EDGE_UM, EDGE_UM)


def square(x: float, y: float, half: float) -> list[float]:
    return [x - half, y - half, x + half, y - half, x + half, y + half, x - half, y + half]


def slide(positive: np.ndarray, negative: np.ndarray, beyond: int = 0) -> SlideTables:
    """All tissue, with cells at the places given; ``beyond`` were counted by area."""
    size = int(EDGE_UM / GRID_UM)
    xy = np.vstack([positive, negative])
    is_positive = np.arange(len(xy)) < len(positive)
    cells = pd.DataFrame({"cell_id": np.arange(len(xy)), "x_um": xy[:, 0], "y_um": xy[:, 1]})
    cells = cells.assign(positive=is_positive, dab_od=np.where(is_positive, 0.5, 0.05))
    row = {"tissue_mm2": EDGE_UM**2 * 1e-6, "positive": len(positive) + beyond, "aggregates": 1}
    return SlideTables(row, cells, None, TissueGrid(np.ones((size, size), bool), GRID_UM))


@pytest.fixture
def sheet() -> SlideTables:
    """120 positive cells in one dense sheet, 200 strewn, 300 negative ones."""
    rng = np.random.default_rng(3)
    dense = rng.uniform(350, 450, (120, 2))
    return slide(np.vstack([dense, rng.uniform(700, 1600, (200, 2))]), rng.uniform(0, 1600, (300, 2)))


def machine(of: SlideTables) -> dict[str, float]:
    """What the metrics of a run say of the same cells."""
    positive = of.cells[of.cells["positive"]]
    tissue = Tissue(of.tissue.mask, GRID_UM, GRID_UM)
    found = find_aggregates(positive["x_um"].to_numpy(), positive["y_um"].to_numpy(), tissue)
    told = aggregate_columns(in_aggregates(found, positive, None, None), 0, float(of.row["tissue_mm2"]))
    return {name: told[name].value for name in AGGREGATE_COLUMNS}  # type: ignore[misc]


def told(of: SlideTables, *reviews: tuple[Item, FieldReview]) -> dict[str, float]:
    found = reviewed(of, reviews)
    return {name: found[f"reviewed_{name}"] for name in AGGREGATE_COLUMNS}


def test_without_a_correction_aggregates_are_the_machines(sheet: SlideTables) -> None:
    assert machine(sheet)["aggregates"] == 1
    assert told(sheet, (WHOLE, FieldReview("accepted"))) == machine(sheet)


def test_a_cell_outside_counts_as_diffuse_and_one_inside_does_not(sheet: SlideTables) -> None:
    before = machine(sheet)
    outside = sheet.cells.index[~sheet.cells["positive"] & (sheet.cells["x_um"] > 800)][0]
    after = told(sheet, (WHOLE, FieldReview(classes={int(outside): "positive"})))
    assert after["diffuse_positive"] == before["diffuse_positive"] + 1
    assert after["diffuse_per_mm2"] > before["diffuse_per_mm2"]
    more = {"x_um": 400.0, "y_um": 400.0, "class": "positive"}
    after = told(sheet, (WHOLE, FieldReview(added={"new": more})))
    assert after["diffuse_positive"] == before["diffuse_positive"]
    assert after["positive_in_aggregates"] == before["positive_in_aggregates"] + 1


def test_a_sheet_that_is_none_leaves_with_its_cells_and_tissue(sheet: SlideTables) -> None:
    false = {0: {"kind": "exclude", "xy_um": square(400, 400, 100)}}
    after = told(sheet, (WHOLE, FieldReview(regions={"r": false[0]})))
    assert after["aggregates"] == after["aggregate_area_percent"] == 0
    assert after["diffuse_per_mm2"] == pytest.approx(200 / (2.56 - 0.04), rel=1e-3)


def test_cells_counted_by_area_leave_aggregates_to_the_machine(sheet: SlideTables) -> None:
    positive, negative = (
        sheet.cells.loc[sheet.cells["positive"] == value, ["x_um", "y_um"]].to_numpy()
        for value in (True, False)
    )
    found = told(slide(positive, negative, beyond=7), (WHOLE, FieldReview("accepted")))
    assert set(found.values()) == {None}


def test_bands_start_at_what_was_drawn() -> None:
    lumen = square(800, 800, 40)
    # four cells at 50, 150, 300 and 700 um from the lumen's right edge
    places = np.array([[890.0, 800], [990, 800], [1140, 800], [1540, 800]])
    cells = slide(places, np.zeros((0, 2)))
    review = FieldReview(
        regions={
            "r": {"kind": "lumen", "xy_um": lumen},
            "w": {"kind": "tract wall", "xy_um": square(1140, 800, 40)},
        }
    )
    table = reviewed_bands(cells, [(WHOLE, review)])
    of = {name: rows["counted"].tolist() for name, rows in table.groupby("reference")}
    assert of == {"lumen": [1, 1, 1, 1], "tract_wall": [1, 2, 1, 0]}
    assert table.groupby("reference")["tissue_mm2"].sum().tolist() == pytest.approx([2.56, 2.56])
    assert reviewed_bands(cells, [(WHOLE, FieldReview("accepted"))]).empty


def test_only_fields_with_a_lumen_are_counted() -> None:
    cells = slide(np.array([[150.0, 150.0], [1400.0, 1400.0]]), np.zeros((0, 2)))
    here, there = Item("a", "s", 0, 0, 400, 400), Item("b", "s", 1200, 1200, 400, 400)
    review = FieldReview(regions={"r": {"kind": "lumen", "xy_um": square(100, 100, 30)}})
    table = reviewed_bands(cells, [(here, review), (there, FieldReview("accepted"))])
    assert table["counted"].sum() == 1
    assert table["tissue_mm2"].sum() == pytest.approx(0.16)


@pytest.mark.parametrize("seed", range(4))
def test_cells_of_the_grid_are_those_whose_middle_the_rings_hold(seed: int) -> None:
    """Even-odd over a ring with a hole, against the angle that the ring turns around each middle."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
    rings = [
        np.column_stack([np.cos(angle), np.sin(angle)]) * r * rng.uniform(0.7, 1, (9, 1)) + (90, 70)
        for r in (64, 20)
    ]
    found = fill(rings, (20, 24), 8.0)
    middle = (np.stack(np.meshgrid(np.arange(24), np.arange(20)), -1) + 0.5) * 8.0
    inside = np.zeros((20, 24), bool)
    for ring in rings:
        spokes = ring - middle[..., None, :]
        after = np.roll(spokes, -1, axis=-2)
        cross = spokes[..., 0] * after[..., 1] - spokes[..., 1] * after[..., 0]
        inside ^= np.abs(np.arctan2(cross, (spokes * after).sum(-1)).sum(-1)) > np.pi
    assert (found == inside).all()
    assert 0 < inside.sum() < inside.size
