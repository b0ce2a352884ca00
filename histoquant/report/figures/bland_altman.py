"""Two readings of the same biopsies: their difference against their mean, with limits of agreement."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from histoquant.report.figures.common import (
    Figure,
    change_unit,
    colour_of,
    measure_words,
    number_of,
    unit_words,
)
from histoquant.report.figures.drawing import Drawing
from histoquant.report.figures.scales import Scale, draw_x_axis, draw_y_axis, span
from histoquant.report.numbers import as_text, number_text

_WIDTH, _HEIGHT = 400.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 70.0, 34.0, 46.0
_LIMITS = ("loa_low", "bias", "loa_high")
_REACH = (("loa_low_from", "loa_low_to"), ("bias_low", "bias_high"), ("loa_high_from", "loa_high_to"))
_CAP = 3.0


def draw_bland_altman(row: dict[str, Any], pairs: list[dict[str, Any]], number: int) -> Figure | None:
    """Draw one pair of readers.

    Parameters
    ----------
    row : dict
        Of ``agreement.csv``.
    pairs : list of dict
        Its rows of ``agreement_pairs.csv``.
    number : int
        Makes the name of the figure unique.

    Returns
    -------
    Figure or None
        None for grades and without pairs. On the log scale both axes are logarithmic: the difference is a
        ratio.
    """
    log = as_text(row["scale"]) == "log"
    points = [found for pair in pairs if (found := number_of(pair, "mean", "difference")) is not None]
    if not points or as_text(row["scale"]) == "grade":
        return None
    limits = number_of(row, *_LIMITS) or []
    level = as_text(row["level"]) == "level"
    x_log = log and level
    means = [math.exp(mean) if x_log else mean for mean, _ in points]
    differences, limits = _shown([d for _, d in points], log), _shown(limits, log)
    reach = [_shown(number_of(row, *ends) or [], log) for ends in _REACH]
    null = 1.0 if log else 0.0
    base = _HEIGHT - _BOTTOM
    x = Scale(*span(means, x_log), _LEFT, _WIDTH - _RIGHT, x_log)
    y = Scale(*span([*differences, *limits, *reach[0], *reach[1], *reach[2], null], log), base, _TOP, log)
    a, b, measure = (as_text(row[name]) for name in ("rater_a", "rater_b", "measure"))
    marker = measure.partition("_")[0].upper()
    title = f"{measure_words(measure, marker)}{'' if level else ', change'}: {a} and {b}"
    drawing = Drawing(f"agreement-{number}-{measure}", _WIDTH, _HEIGHT, title, _says(row, limits, log))
    drawing.text(4, 17, title if len(title) < 56 else title[:54] + "…", "head")
    draw_y_axis(drawing, y, _LEFT, _WIDTH - _RIGHT, _difference_axis(a, b, measure, log))
    what = (
        f"mean of both, {unit_words(measure)}"
        if level
        else f"mean change of both, {'ln ratio' if log else change_unit(measure)}".removesuffix(", ")
    )
    draw_x_axis(drawing, x, base, what)
    drawing.line(_LEFT, y(null), _WIDTH - _RIGHT, y(null), "null")
    _draw_limits(drawing, limits, y, colour_of(marker))
    for ends in reach:
        _draw_reach(drawing, ends, y, colour_of(marker))
    for pair, mean, difference in zip(pairs, means, differences, strict=False):
        who = " ".join(
            filter(None, (as_text(pair.get(k)) for k in ("patient", "tract", "timepoint", "slide_id")))
        )
        drawing.dot(x(mean), y(difference), "circle", f"mark pale f{colour_of(marker)}", tip=who, size=4)
    kind = "ratio" if log else "difference"
    caption = f"{len(points)} pairs. Solid: mean {kind}; dashed: 95 % limits of agreement; bars: intervals."
    return Figure(drawing, caption, pd.DataFrame(pairs))


def _difference_axis(a: str, b: str, measure: str, log: bool) -> str:
    return f"{b} over {a}, ratio" if log else f"{b} minus {a}, {change_unit(measure)}".removesuffix(", ")


def _shown(values: list[float], log: bool) -> list[float]:
    return [math.exp(value) for value in values] if log else list(values)


def _draw_limits(drawing: Drawing, limits: list[float], y: Scale, colour: str) -> None:
    for place, level in enumerate(limits):
        style = "main" if place == 1 else "dashed"
        drawing.line(_LEFT, y(level), _WIDTH - _RIGHT, y(level), f"{style} s{colour}")
        drawing.text(_WIDTH - _RIGHT + 6, y(level) + 4, number_text(level) or "", "small")


def _draw_reach(drawing: Drawing, ends: list[float], y: Scale, colour: str) -> None:
    """Draw one interval at the right edge of the frame, as a bar with caps."""
    at = _WIDTH - _RIGHT
    if len(ends) == 2:
        drawing.line(at, y(ends[0]), at, y(ends[1]), f"main s{colour}")
        for end in ends:
            drawing.line(at - _CAP, y(end), at + _CAP, y(end), f"main s{colour}")


def _says(row: dict[str, Any], limits: list[float], log: bool) -> str:
    kind = "ratio" if log else "difference"
    if len(limits) == 3:
        low, bias, high = (number_text(value) for value in limits)
        return f"mean {kind} {bias}, limits of agreement {low} to {high}"
    return as_text(row.get("reason")) or "no limits of agreement"
