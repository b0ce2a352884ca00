"""All columns of a slide: values, reasons, flags, and independence of row order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from histoquant.metrics import REASONS
from histoquant.metrics.area import DabHistogram
from histoquant.metrics.by_area import StainedArea
from histoquant.metrics.slide import BASE_COLUMNS, SlideInputs, slide_metrics
from histoquant.metrics.tissue import Tissue

TISSUE = Tissue(np.ones((250, 250), bool), 8.0, 8.0)  # 4 mm2
EMPTY = Tissue(np.zeros((250, 250), bool), 8.0, 8.0)
CD20 = ("diffuse_per_mm2", "aggregates", "aggregate_area_percent")
CD31 = (
    "vessels",
    "vessels_per_mm2",
    "endothelial_area_percent",
    "lumen_area_percent",
    "median_diameter_um",
    "hotspot_per_mm2",
)
CD68 = ("positive_by_area", "clusters", "cell_area_um2", "anucleate_objects", "cluster_cells_percent")


def cells(number: int, positive: int, seed: int = 0) -> pd.DataFrame:
    x, y = np.random.default_rng(seed).uniform(0, 2000, (2, number))
    rows = np.arange(number)
    # each positive cell in an object of its own
    return pd.DataFrame(
        {
            "x_um": x,
            "y_um": y,
            "positive": rows < positive,
            "stain_object": np.where(rows < positive, rows + 1, 0),
            "stain_object_um2": np.where(rows < positive, 150.0, np.nan),
        }
    )


def stained(share: float, anucleate: int = 7) -> StainedArea:
    area = 4e6 * share
    none = np.zeros((0, 2), np.int64)
    objects = np.arange(1, 801 + anucleate)
    return StainedArea((1.2 * area, area, 0.8 * area), objects, (50.0, 50.0), none, np.zeros(0))


def histogram(share: float) -> DabHistogram:
    counts = np.zeros(1000, np.int64)
    counts[10], counts[600] = round(1e6 * (1 - share)), round(1e6 * share)
    return DabHistogram(counts)


def cd68(**changes: object) -> SlideInputs:
    base = SlideInputs(
        "CD68",
        CD68,
        0.2,
        TISSUE,
        cells=cells(4000, 800),
        histogram=histogram(0.03),
        count_low=850,
        count_high=760,
        stained=stained(0.03),
    )
    return replace(base, **changes)


def test_every_column_is_there_and_right():
    row = slide_metrics(cd68())
    assert set(row) == {*BASE_COLUMNS, *CD68, "flags", "reasons"}
    assert (row["nuclei"], row["positive"], row["positive_percent"]) == (4000, 800, 20)
    assert row["positive_per_mm2"] == pytest.approx(200)
    assert row["positive_per_mm2_low"] < 200 < row["positive_per_mm2_high"]
    assert row["positive_area_percent"] == pytest.approx(3)
    assert row["positive_by_area"] == pytest.approx(0.03 * 4e6 / 150)
    assert (row["cell_area_um2"], row["anucleate_objects"]) == (150, 7)
    assert row["threshold_elasticity"] == pytest.approx(-0.276, abs=1e-3)
    assert row["flags"] == []
    assert row["reasons"] == {}


def test_a_blank_slide_is_empty_not_zero():
    for readouts in (CD20, CD31, CD68):
        row = slide_metrics(SlideInputs("X", readouts, 0.2, EMPTY, cells=cells(0, 0), histogram=histogram(0)))
        assert all(row[name] is None for name in (*BASE_COLUMNS, *readouts))
        assert row["flags"] == ["NO_TISSUE"]


def test_every_empty_column_has_a_known_reason():
    for marker, readouts in (("CD20", CD20), ("CD31", CD31), ("CD68", CD68), ("HE", ())):
        for tissue in (TISSUE, EMPTY):
            row = slide_metrics(SlideInputs(marker, readouts, 0.2, tissue, scored=False))
            reasons = row["reasons"]
            assert set(reasons) == {n for n in (*BASE_COLUMNS, *readouts) if row[n] is None}
            assert set(reasons.values()) <= set(REASONS)


def test_no_cells_in_tissue_is_zero():
    row = slide_metrics(cd68(cells=cells(0, 0), count_low=0, count_high=0, histogram=histogram(0)))
    assert row["nuclei"] == row["positive"] == row["positive_per_mm2"] == row["positive_area_percent"] == 0
    assert row["positive_per_mm2_high"] == pytest.approx(3.689 / 4, rel=1e-3)
    assert row["positive_percent"] is None
    assert row["reasons"]["positive_percent"] == "NO_NUCLEI"


def test_no_metric_depends_on_row_order():
    table = cells(6000, 3000)
    table.loc[:400, ["x_um", "y_um"]] = np.random.default_rng(3).normal(700, 60, (401, 2))
    shuffled = table.sample(frac=1, random_state=2)
    for readouts in (CD20, CD68):
        first, second = (
            slide_metrics(SlideInputs("X", readouts, 0.2, TISSUE, cells=t)) for t in (table, shuffled)
        )
        assert first == second
    assert slide_metrics(SlideInputs("X", CD20, 0.2, TISSUE, cells=table))["aggregates"] == 1


def test_cd31_counts_vessels_and_leaves_cells_unscored():
    table = cells(500, 480).rename(columns={"positive": "vessel"})
    table["endothelial_area_um2"], table["lumen_area_um2"] = 100.0, 80.0
    table["equivalent_diameter_um"] = 12.0
    inputs = SlideInputs(
        "CD31",
        CD31,
        0.25,
        TISSUE,
        cells=cells(4000, 0),
        scored=False,
        vessels=table,
        histogram=histogram(0.02),
    )
    row = slide_metrics(inputs)
    assert row["positive"] is row["positive_percent"] is None
    assert row["nuclei"] == 4000
    assert row["vessels"] == 480
    assert row["vessels_per_mm2"] == row["positive_per_mm2"] == pytest.approx(120)
    assert row["positive_per_mm2_low"] < 120 < row["positive_per_mm2_high"]
    assert row["lumen_area_percent"] == pytest.approx(100 * 480 * 80 / 4e6)
    assert row["median_diameter_um"] == 12
    assert row["hotspot_per_mm2"] > 120


def test_clustered_cells_widen_the_interval():
    even = cells(4000, 4000)
    crowded = even.copy()
    crowded[["x_um", "y_um"]] = crowded[["x_um", "y_um"]] * 0.6
    rows = [slide_metrics(SlideInputs("X", (), 0.2, TISSUE, cells=t)) for t in (even, crowded)]
    widths = [r["positive_per_mm2_high"] - r["positive_per_mm2_low"] for r in rows]
    assert widths[1] > 3 * widths[0]
    assert rows[0]["positive_per_mm2"] == rows[1]["positive_per_mm2"]


def test_flags():
    row = slide_metrics(cd68(cells=cells(20_000, 13_000), count_low=30_000, count_high=8_000))
    assert row["flags"] == ["IMPLAUSIBLE_DENSITY", "THRESHOLD_SENSITIVE", "COUNT_MODES_DISAGREE"]
    small = Tissue(np.ones((50, 50), bool), 8.0, 8.0)
    row = slide_metrics(cd68(tissue=small, cells=cells(10, 2)))
    assert "INSUFFICIENT_TISSUE" in row["flags"]
    assert row["reasons"]["positive_per_mm2"] == "INSUFFICIENT_TISSUE"
    assert row["positive_per_mm2"] == pytest.approx(2 / 0.16)
