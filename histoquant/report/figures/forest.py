"""Estimates with intervals, one row each: change from baseline, treatments of what is missing, arms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import pandas as pd

from histoquant.report.figures.common import Figure
from histoquant.report.figures.drawing import SMALL_PX, Drawing, text_width, wrapped
from histoquant.report.figures.scales import Scale, draw_x_axis, span

_WIDTH = 400.0
_ROW, _TOP, _FOOT, _LINE = 38.0, 40.0, 44.0, 14.0
_LEFT, _TEXT_AT = 8.0, 250.0


@dataclass(frozen=True)
class ForestRow:
    """One estimate.

    Attributes
    ----------
    label : str
        Above the interval.
    estimate, low, high : float or None
        None where it could not be told.
    note : str
        Beside the label: patients, or why there is no estimate.
    colour : str
        Number of a colour in the style sheet.
    strong : bool
        The primary comparison.
    shape : str
        Of the mark.
    """

    label: str
    estimate: float | None
    low: float | None
    high: float | None
    note: str = ""
    colour: str = "0"
    strong: bool = False
    shape: str = "square"


@dataclass(frozen=True)
class ForestPlan:
    """What a forest plot says around its rows.

    Attributes
    ----------
    name, title : str
    axis : str
        Title of the axis, with the unit.
    ratio : bool
        Logarithmic axis with 1 as no change; else linear with 0.
    caption : str
    below, above : str
        What lies left and right of no change.
    """

    name: str
    title: str
    axis: str
    ratio: bool
    caption: str
    below: str = "lower"
    above: str = "higher"


def draw_forest(plan: ForestPlan, rows: Sequence[ForestRow], table: pd.DataFrame) -> Figure | None:
    """Draw estimates with their intervals.

    Parameters
    ----------
    plan : ForestPlan
    rows : sequence of ForestRow
        From top to bottom.
    table : DataFrame
        What they were taken from.

    Returns
    -------
    Figure or None
        None where no row has an estimate. A row without one says why.
    """
    known = [row for row in rows if row.estimate is not None]
    if not known:
        return None
    null = 1.0 if plan.ratio else 0.0
    ends = [v for row in known for v in (row.estimate, row.low, row.high) if v is not None]
    low, high = span([*ends, null], plan.ratio)
    *tops, base = accumulate((_height(row) for row in rows), initial=_TOP)
    drawing = Drawing(plan.name, _WIDTH, base + _FOOT, plan.title, _says(rows))
    drawing.text(4, 17, plan.title, "head")
    x = Scale(low, high, _LEFT, _TEXT_AT - 14, plan.ratio)
    draw_x_axis(drawing, x, base, plan.axis)
    for row, top in zip(rows, tops, strict=True):
        if row.estimate is not None:
            # lines stand where intervals are: through words they would be read as letters
            for value in x.ticks(5):
                drawing.line(x(value), top + 19, x(value), top + _ROW - 3, "grid")
            drawing.line(x(null), top + 18, x(null), top + _ROW - 2, "null")
        _draw_row(drawing, row, x, top)
    _draw_sides(drawing, plan, x, null)
    return Figure(drawing, plan.caption, table)


def _height(row: ForestRow) -> float:
    return _ROW + _LINE * max(0, len(_why(row)) - 1)


def _why(row: ForestRow) -> list[str]:
    """Lines that say why there is no estimate; none where there is one."""
    if row.estimate is not None:
        return []
    return wrapped(row.note or "not estimated", _WIDTH - 2 * _LEFT, most=3)


def _draw_row(drawing: Drawing, row: ForestRow, x: Scale, top: float) -> None:
    drawing.text(_LEFT, top + 15, row.label, "strong" if row.strong else "t")
    if row.note and row.estimate is not None:
        drawing.text(_WIDTH - 4, top + 15, row.note, "small", "end")
    y = top + 27
    if row.estimate is None:
        for number, line in enumerate(_why(row)):
            drawing.text(_LEFT, y + 4 + _LINE * number, line, "small")
        return
    if row.low is not None and row.high is not None:
        drawing.line(x(row.low), y, x(row.high), y, f"bar s{row.colour}")
        for end in (row.low, row.high):
            drawing.line(x(end), y - 4, x(end), y + 4, f"bar s{row.colour}")
    size = 5.5 if row.strong else 4.5
    drawing.dot(x(row.estimate), y, row.shape, f"mark f{row.colour}", size=size)
    drawing.text(_WIDTH - 4, y + 4, estimate_text(row.estimate, row.low, row.high), "t", "end")


def _draw_sides(drawing: Drawing, plan: ForestPlan, x: Scale, null: float) -> None:
    """What left and right of no change mean, where there is room for the word."""
    y, at = _TOP - 4, x(null)
    if at - x.start > text_width(plan.below, SMALL_PX) + 14:
        drawing.text(at - 6, y, f"← {plan.below}", "small", "end")
    if x.end - at > text_width(plan.above, SMALL_PX) + 14:
        drawing.text(at + 6, y, f"{plan.above} →", "small")


def estimate_text(estimate: float, low: float | None, high: float | None) -> str:
    """Return ``0.62 (0.51 to 0.74)`` with one number of decimals for all three."""
    values = [v for v in (estimate, low, high) if v is not None]
    largest = max((abs(v) for v in values), default=0.0)
    decimals = 2 if largest < 10 else 1 if largest < 100 else 0
    shown = [_fixed(v, decimals) for v in values]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if len(shown) == 3 else shown[0]


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0 and value != 0 and math.isfinite(value):
        return f"{value:.1g}".replace("-", "−")
    return text.replace("-", "−") if float(text.replace(",", "")) else text.lstrip("-")


def _says(rows: Sequence[ForestRow]) -> str:
    said = []
    for row in rows:
        told = row.note if row.estimate is None else estimate_text(row.estimate, row.low, row.high)
        said.append(f"{row.label}: {told}")
    return "; ".join(said)
