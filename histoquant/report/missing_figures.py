"""What the missing biopsies could change: one forest per measure over the ways of treating them."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from histoquant.report.figures.common import (
    Figure,
    change_unit,
    colour_of,
    measure_name,
    records,
    short_reason,
    some,
)
from histoquant.report.figures.forest import ForestPlan, ForestRow, draw_forest
from histoquant.report.numbers import MINUS, as_number, as_text, number_text
from histoquant.report.reasons import speak
from histoquant.report.study_words import Row, Tables, last_timepoint

_SCENARIOS: Final = {
    "observed": "as observed",
    "complete": "tracts with every timepoint",
    "closed_best": "closed, no tissue: greatest fall seen",
    "closed_worst": "closed, no tissue: greatest rise seen",
    "delta": "missing changes",
    "enrolled": "all enrolled, imputed",
    "tipping": "shift at which the conclusion tips",
}


def missing_forests(tables: Tables) -> list[Figure]:
    """One forest per measure at the last timepoint."""
    last = last_timepoint(tables)
    rows = [row for row in records(tables.get("missing")) if as_text(row["timepoint"]) == last]
    figures = []
    for measure in dict.fromkeys(as_text(row["measure"]) for row in rows):
        own = [
            row
            for row in rows
            if as_text(row["measure"]) == measure and as_text(row["scenario"]) != "tipping"
        ]
        log = bool(own) and as_text(own[0]["scale"]) == "log"
        marker = as_text(own[0]["marker"]) if own else ""
        name = measure_name(measure, marker)
        plan = ForestPlan(
            name=f"missing-{measure}",
            title=f"What is missing: {name}",
            axis="ratio of geometric means, log axis" if log else f"mean difference, {change_unit(measure)}",
            ratio=log,
            caption="Mean change of the patients (t interval) under each way of treating what is missing."
            + _tipping(rows, measure, log),
            below="fell",
            above="rose",
        )
        forest = [_missing_row(row, log, colour_of(marker)) for row in own]
        figures += some(draw_forest(plan, forest, pd.DataFrame(own)))
    return figures


def _missing_row(row: Row, log: bool, colour: str) -> ForestRow:
    estimate, low, high = (as_number(row[name]) for name in ("mean", "low", "high"))
    if log:
        # exponentials of a mean of logs and of its limits: the same statement as a ratio
        estimate, low, high = (None if v is None else math.exp(v) for v in (estimate, low, high))
    label = _SCENARIOS.get(as_text(row["scenario"]), as_text(row["scenario"]))
    shift = as_number(row["delta"])
    if shift is not None:
        label += f", shifted by {_shift(shift, log)}" if shift else ", as the others"
    filled = as_number(row["filled"])
    note = f"{number_text(filled)} assumed" if filled else f"n = {number_text(row['patients'])}"
    return ForestRow(label, estimate, low, high, note if estimate is not None else short_reason(row), colour)


def _shift(value: float, log: bool) -> str:
    """A shift as one reads it: a factor on the log scale, else a difference with its sign."""
    return f"×{math.exp(value):.2f}" if log else f"{value:+.2g}".replace("-", MINUS)


def _tipping(rows: list[Row], measure: str, log: bool) -> str:
    for row in rows:
        if as_text(row["measure"]) == measure and as_text(row["scenario"]) == "tipping":
            shift = as_number(row["delta"])
            if shift is not None:
                return f" The conclusion tips when missing changes are shifted by {_shift(shift, log)}."
            return f" Tipping point: {speak(as_text(row['reason']))}." if as_text(row["reason"]) else ""
    return ""
