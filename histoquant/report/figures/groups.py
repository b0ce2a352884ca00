"""Values by group, each patient a mark: change by response, threshold sensitivity by marker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from histoquant.report.figures.common import Figure
from histoquant.report.figures.drawing import Drawing
from histoquant.report.figures.scales import Scale, draw_y_axis, span
from histoquant.report.numbers import number_text

_WIDTH, _HEIGHT = 400.0, 290.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 16.0, 34.0, 46.0
_MARK = 4.2
_MOST_BESIDE = 9  # marks beside each other before they overlap


@dataclass(frozen=True)
class Group:
    """One group.

    Attributes
    ----------
    label : str
    values : tuple of float
    tips : tuple of str
        Who each value is of; empty or as long as ``values``.
    middle, low, high : float or None
        Median and quartiles.
    colour, shape : str
        Both differ between groups, so that neither alone carries the meaning.
    """

    label: str
    values: tuple[float, ...]
    tips: tuple[str, ...] = ()
    middle: float | None = None
    low: float | None = None
    high: float | None = None
    colour: str = "0"
    shape: str = "circle"


@dataclass(frozen=True)
class GroupPlan:
    """What a plot by groups says around its marks.

    Attributes
    ----------
    name, title, axis, caption : str
    log : bool
        Logarithmic axis.
    null : float or None
        Where to draw a line of no change.
    lines : tuple of float
        Further levels to mark.
    under : str
        One line under the groups.
    """

    name: str
    title: str
    axis: str
    caption: str
    log: bool = False
    null: float | None = None
    lines: tuple[float, ...] = field(default=())
    under: str = ""


def draw_groups(plan: GroupPlan, groups: Sequence[Group], table: pd.DataFrame) -> Figure | None:
    """Draw every value of every group.

    Returns
    -------
    Figure or None
        None where there is no value.
    """
    values = [v for group in groups for v in group.values if v > 0 or not plan.log]
    if not values:
        return None
    height = _HEIGHT + (18 if plan.under else 0)
    base = _HEIGHT - _BOTTOM
    shown = [*values, *([plan.null] if plan.null is not None else []), *plan.lines]
    low, high = span(shown, plan.log)
    y = Scale(low, high, base, _TOP, plan.log)
    drawing = Drawing(plan.name, _WIDTH, height, plan.title, _says(groups))
    drawing.text(4, 17, plan.title, "head")
    draw_y_axis(drawing, y, _LEFT, _WIDTH - _RIGHT, plan.axis)
    for level in [*([plan.null] if plan.null is not None else []), *plan.lines]:
        drawing.line(_LEFT, y(level), _WIDTH - _RIGHT, y(level), "null")
    step = (_WIDTH - _RIGHT - _LEFT) / max(1, len(groups))
    drawing.line(_LEFT, base, _WIDTH - _RIGHT, base, "axis")
    for number, group in enumerate(groups):
        _draw_group(drawing, group, _LEFT + step * (number + 0.5), step, y)
        drawing.text(_LEFT + step * (number + 0.5), base + 17, group.label, "t", "middle")
        drawing.text(_LEFT + step * (number + 0.5), base + 33, f"n = {len(group.values)}", "small", "middle")
    if plan.under:
        drawing.text((_LEFT + _WIDTH - _RIGHT) / 2, base + 56, plan.under, "small", "middle")
    return Figure(drawing, plan.caption, table)


def _draw_group(drawing: Drawing, group: Group, x: float, step: float, y: Scale) -> None:
    half = min(0.36 * step, 46.0)
    if group.low is not None and group.high is not None:
        for level in (group.low, group.high):
            drawing.line(x - half * 0.6, y(level), x + half * 0.6, y(level), f"bar s{group.colour}")
    if group.middle is not None:
        drawing.line(x - half, y(group.middle), x + half, y(group.middle), f"main s{group.colour}")
    tips = group.tips or ("",) * len(group.values)
    inside = [(y(v), v, tip) for v, tip in zip(group.values, tips, strict=True) if v > 0 or not y.log]
    for at, level, value, tip in _apart(sorted(inside), half):
        words = f"{tip}: {number_text(value)}" if tip else number_text(value) or ""
        drawing.dot(x + at, level, group.shape, f"mark pale f{group.colour}", tip=words, size=_MARK)


def _apart(places: list[tuple[float, float, str]], half: float) -> list[tuple[float, float, float, str]]:
    """Shift marks of nearly one height sideways, so that none hides another."""
    shifted: list[tuple[float, float, float, str]] = []
    pitch = 2 * half / (_MOST_BESIDE - 1)
    offsets = sorted((pitch * k for k in range(-(_MOST_BESIDE // 2), _MOST_BESIDE // 2 + 1)), key=abs)
    clear = min(2 * _MARK, pitch) - 0.01
    for level, value, tip in places:
        near = [at for at, other, _, _ in shifted if abs(other - level) < 2 * _MARK]
        free = [at for at in offsets if all(abs(at - other) >= clear for other in near)]
        shifted.append((free[0] if free else offsets[len(near) % len(offsets)], level, value, tip))
    return shifted


def _says(groups: Sequence[Group]) -> str:
    said = []
    for group in groups:
        middle = number_text(group.middle)
        said.append(f"{group.label}: {len(group.values)} values" + (f", median {middle}" if middle else ""))
    return "; ".join(said)
