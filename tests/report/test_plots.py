from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from histoquant.report.plots import TimepointPlot, draw_timepoints, month_of
from histoquant.report.series import plots_from_biopsies, plots_from_slides, spoken_measure


def _table(patients: int, tracts: int, timepoints: tuple[str, ...]) -> pd.DataFrame:
    rng = np.random.default_rng(patients)
    rows = [
        {
            "patient": f"P{p:02d}",
            "tract": f"T{t}",
            "timepoint": m,
            "value": v,
            "low": v * 0.8,
            "high": v * 1.2,
        }
        for p in range(patients)
        for t in range(tracts)
        for m in timepoints
        for v in [rng.lognormal(6, 0.4)]
    ]
    return pd.DataFrame(rows)


def _draw(table: pd.DataFrame) -> bytes | None:
    return draw_timepoints(TimepointPlot("CD68+ cells", "CD68+ cells, /mm²", table))


@pytest.mark.parametrize(("patients", "tracts"), [(1, 1), (3, 2), (12, 2)])
@pytest.mark.parametrize("timepoints", [("M0",), ("M0", "M2", "M4"), ("pre", "post")])
def test_same_table_same_bytes_without_dates(patients: int, tracts: int, timepoints: tuple[str, ...]) -> None:
    table = _table(patients, tracts, timepoints)
    svg = _draw(table)
    assert svg is not None
    assert svg == _draw(table.copy())
    ElementTree.fromstring(svg)
    assert b"date" not in svg.lower()
    assert b"http-equiv" not in svg
    assert b"<script" not in svg


def test_row_order_does_not_matter() -> None:
    table = _table(4, 2, ("M0", "M2"))
    assert _draw(table) == _draw(table.sample(frac=1, random_state=1).reset_index(drop=True))


@pytest.mark.parametrize("values", [[0, 0, 0], [0, 5, 4000], [0.001, 5, 4000], [7, 7, 7], [None, 3, None]])
def test_zero_huge_equal_and_missing_values_draw(values: list[float | None]) -> None:
    table = _table(1, 1, ("M0", "M2", "M4")).drop(columns=["low", "high"]).assign(value=values)
    assert _draw(table) is not None


def test_nothing_measured_is_no_plot() -> None:
    table = _table(1, 1, ("M0", "M2"))
    assert _draw(table.assign(value=np.nan)) is None
    assert _draw(table.iloc[:0]) is None


def test_missing_biopsy_breaks_the_line_and_leaves_a_cross() -> None:
    table = _table(2, 1, ("M0", "M2", "M4"))
    whole = _draw(table)
    gone = _draw(table[~((table.patient == "P00") & (table.timepoint == "M2"))])
    blank = table.copy()
    blank.loc[(blank.patient == "P00") & (blank.timepoint == "M2"), ["value", "low", "high"]] = np.nan
    assert gone == _draw(blank), "an absent row and an empty value look alike"
    assert gone != whole


def test_ids_are_text_not_mathematics_or_markup() -> None:
    table = _table(1, 1, ("M0", "M2")).assign(
        patient="$\\frac{<script>alert(1)</script>", tract='"><img src=x>'
    )
    svg = _draw(table)
    assert svg is not None
    ElementTree.fromstring(svg)
    assert b"<script>" not in svg


@pytest.mark.parametrize(
    ("label", "month"),
    [("M0", 0), ("m12", 12), ("month 2", 2), ("2", 2), ("T1", None), ("", None), ("pre", None)],
)
def test_months_are_read_only_from_labels_that_say_so(label: str, month: float | None) -> None:
    assert month_of(label) == month


def test_vessels_go_to_their_own_panel_and_names_claim_no_cell_type() -> None:
    frame = pd.DataFrame(
        {
            "patient": ["P1"],
            "tract": ["T1"],
            "timepoint": ["M0"],
            "cd68_per_mm2": [10.0],
            "cd68_per_mm2_low": [8.0],
            "cd20_per_mm2": [None],
            "cd31_vessels_per_mm2": [90.0],
            "ki_67_per_mm2": [4.0],
            "inflammation_score": [40.0],
        }
    )
    plots = plots_from_biopsies(frame, frozenset({"CD68", "CD31", "Ki-67"}))
    assert {p.title: p.vascular for p in plots} == {
        "CD68+ cells": False,
        "CD31+ vessels": True,
        "Ki-67+ cells": False,
        "Inflammation index (exploratory)": False,
    }
    slides = pd.DataFrame(
        {
            "marker": ["CD31", "CD68", None],
            "vessels_per_mm2": [5.0, None, None],
            "positive_per_mm2": [1.0, 2.0, 3.0],
        }
    )
    assert [p.title for p in plots_from_slides(slides)] == ["CD31+ vessels", "CD68+ cells"]
    assert "macrophage" not in spoken_measure("CD68", "positive_per_mm2").lower()
