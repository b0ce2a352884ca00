"""From values to places: linear and logarithmic axes with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from histoquant.report.figures.drawing import Drawing
from histoquant.report.numbers import MINUS

_LOG_STEPS: Final = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from ``low`` to ``high`` onto places from ``start`` to ``end``.

    Attributes
    ----------
    low, high : float
        Of the values; positive on a logarithmic axis.
    start, end : float
        Places in px; ``end`` may be the smaller one.
    log : bool
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value; values beyond the ends are put at the ends."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        at = math.log(max(value, self.low)) if self.log else value
        share = (at - low) / (high - low) if high > low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values within the axis, at most ``most``."""
        return _log_ticks(self.low, self.high, most) if self.log else _linear_ticks(self.low, self.high, most)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    best = [10.0**d for d in decades if low <= 10.0**d * (1 + 1e-9) <= high * (1 + 2e-9)]
    while len(best) > most:  # many decades: every other one
        best = best[::2]
    for steps in _LOG_STEPS:
        inside = [s * 10.0**d for d in decades for s in steps]
        inside = [value for value in inside if low <= value * (1 + 1e-9) <= high * (1 + 2e-9)]
        if len(inside) <= most:
            best = inside
    if len(best) < 3 and high / low < 8:
        best = [value for value in _linear_ticks(low, high, most) if value > 0]
    return best


def tick_text(value: float) -> str:
    """Return a tick's value as short as it can be: ``1,000``, ``0.25``, ``−5``."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
    return text.replace("-", MINUS)


def span(values: Iterable[float], log: bool, margin: float = 0.06) -> tuple[float, float]:
    """Ends of an axis that shows all values with a margin; never empty.

    Parameters
    ----------
    values : iterable of float
        Finite; on a logarithmic axis only positive ones count.
    log : bool
    margin : float
        Share of the axis left free at each end.
    """
    known = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
    if not known:
        return (0.5, 2.0) if log else (0.0, 1.0)
    low, high = min(known), max(known)
    if log:
        width = max(math.log(high / low), math.log(1.5))
        middle = (math.log(high) + math.log(low)) / 2
        half = width / 2 + margin * width
        return math.exp(middle - half), math.exp(middle + half)
    width = max(high - low, abs(high) * 0.1, 1e-9)
    middle = (high + low) / 2
    return middle - width * (0.5 + margin), middle + width * (0.5 + margin)


def draw_y_axis(drawing: Drawing, scale: Scale, left: float, right: float, title: str) -> None:
    """Grid, tick values and title of a vertical axis."""
    for value in scale.ticks():
        y = scale(value)
        drawing.line(left, y, right, y, "grid")
        drawing.text(left - 6, y + 4, tick_text(value), "small", "end")
    drawing.line(left, scale.start, left, scale.end, "axis")
    drawing.turned_text(12, (scale.start + scale.end) / 2, title, "small")


def draw_x_axis(drawing: Drawing, scale: Scale, y: float, title: str) -> None:
    """Ticks and title of a horizontal axis at ``y``."""
    taken = -math.inf
    for value in scale.ticks(5):
        x = scale(value)
        drawing.line(x, y, x, y + 4, "axis")
        label = tick_text(value)
        if x - 3.2 * len(label) > taken:
            drawing.text(x, y + 16, label, "small", "middle")
            taken = x + 3.2 * len(label) + 2
    drawing.line(scale.start, y, scale.end, y, "axis")
    drawing.text((scale.start + scale.end) / 2, y + 32, title, "small", "middle")
