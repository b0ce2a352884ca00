"""Levels over the timepoints: a thread per tract, the patients' median with its interval before them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from histoquant.report.figures.common import (
    Figure,
    colour_of,
    is_true,
    measure_words,
    number_of,
    records,
    timepoint_words,
    unit_words,
)
from histoquant.report.figures.drawing import Drawing
from histoquant.report.figures.scales import Scale, draw_y_axis, span
from histoquant.report.numbers import as_number, as_text, number_text

_WIDTH, _HEIGHT = 400.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 16.0, 34.0, 66.0


def draw_levels(tables: dict[str, pd.DataFrame], measure: str) -> Figure | None:
    """Draw one measure over time.

    Parameters
    ----------
    tables : dict of str to DataFrame
        ``measures`` and ``timepoints`` as `histoquant.study.layout` describes them.
    measure : str
        Which measure.

    Returns
    -------
    Figure or None
        None where no biopsy is evaluable. Densities are drawn as they are analysed, (N + 0.5) / A on a
        logarithmic axis, so that a count of zero has a place.
    """
    rows = [row for row in records(tables.get("measures")) if row["measure"] == measure]
    kept = [row for row in rows if is_true(row["evaluable"]) and as_number(row["analysed"]) is not None]
    if not kept:
        return None
    first = kept[0]
    log, marker = first["scale"] == "log", as_text(first["marker"])
    medians = [row for row in records(tables.get("timepoints")) if row["measure"] == measure]
    words = timepoint_words({"timepoints": pd.DataFrame(medians), "measures": pd.DataFrame(rows)})
    x = _places(rows, list(words))
    levels = [_level(row, log) for row in kept]
    ends = [value for row in medians for value in number_of(row, "median_low", "median_high") or []]
    low, high = span([*levels, *ends], log)
    if measure == "inflammation_score":
        low, high = 0.0, 100.0
    elif not log:
        low = max(0.0, low)
    y = Scale(low, high, _HEIGHT - _BOTTOM, _TOP, log)
    name, unit = measure_words(measure, marker), unit_words(measure)
    drawing = Drawing(f"levels-{measure}", _WIDTH, _HEIGHT, f"{name} over time", _says(medians, words))
    drawing.text(4, 17, name, "head")
    draw_y_axis(drawing, y, _LEFT, _WIDTH - _RIGHT, f"{unit}{', log axis' if log else ''}")
    _draw_threads(drawing, kept, x, y, log)
    _draw_medians(drawing, medians, x, y, colour_of(marker))
    _draw_foot(drawing, medians, words, x)
    return Figure(drawing, _caption(kept, medians), pd.DataFrame(rows, columns=tables["measures"].columns))


def _level(row: dict[str, Any], log: bool) -> float:
    analysed = float(row["analysed"])
    return math.exp(analysed) if log else analysed


def _places(rows: list[dict[str, Any]], labels: list[str]) -> dict[str, float]:
    """Place of every timepoint: by month where all are known, else evenly."""
    months = {as_text(row["timepoint"]): as_number(row["month"]) for row in rows}
    known = [months.get(label) for label in labels]
    at = [float(i) for i in range(len(labels))]
    if len(labels) > 1 and all(month is not None for month in known) and len(set(known)) == len(labels):
        at = [month or 0.0 for month in known]
    inner = 26.0
    scale = Scale(min(at), max(at), _LEFT + inner, _WIDTH - _RIGHT - inner)
    return {label: scale(value) for label, value in zip(labels, at, strict=True)}


def _draw_threads(
    drawing: Drawing, rows: list[dict[str, Any]], x: dict[str, float], y: Scale, log: bool
) -> None:
    """One line per tract; it breaks at a timepoint without an evaluable biopsy."""
    order = list(x)
    tracts: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        who = as_text(row["patient"]), as_text(row["tract"])
        tracts.setdefault(who, {})[as_text(row["timepoint"])] = _level(row, log)
    for who, levels in sorted(tracts.items()):
        run: list[tuple[float, float]] = []
        for label in [*order, ""]:
            if label in levels:
                run.append((x[label], y(levels[label])))
            elif run:
                if len(run) > 1:
                    drawing.path(run, "thread", tip=" ".join(part for part in who if part))
                run = []
        for label, level in levels.items():
            drawing.dot(x[label], y(level), "circle", "thread-dot", size=1.7)


def _draw_medians(
    drawing: Drawing, medians: list[dict[str, Any]], x: dict[str, float], y: Scale, colour: str
) -> None:
    placed = [(x[label], row) for row in medians if (label := as_text(row["timepoint"])) in x]
    placed.sort(key=lambda item: item[0])
    run: list[tuple[float, float]] = []
    for at, row in placed:
        quartiles, interval = (
            number_of(row, "quartile_low", "quartile_high"),
            number_of(row, "median_low", "median_high"),
        )
        if quartiles is not None:
            drawing.line(at, y(quartiles[0]), at, y(quartiles[1]), f"wide s{colour}")
        if interval is not None:
            drawing.line(at, y(interval[0]), at, y(interval[1]), f"bar s{colour}")
            for end in interval:
                drawing.line(at - 5, y(end), at + 5, y(end), f"bar s{colour}")
        median = as_number(row["median"])
        if median is not None:
            run.append((at, y(median)))
    drawing.path(run, f"main s{colour}")
    for at, row in placed:
        median = as_number(row["median"])
        if median is not None:
            drawing.dot(
                at, y(median), "circle", f"mark f{colour}", tip=f"median {number_text(median)}", size=5
            )


def _draw_foot(
    drawing: Drawing, medians: list[dict[str, Any]], words: dict[str, str], x: dict[str, float]
) -> None:
    """Timepoints and how many patients and tracts each rests on."""
    base = _HEIGHT - _BOTTOM
    drawing.line(_LEFT, base, _WIDTH - _RIGHT, base, "axis")
    by_label = {as_text(row["timepoint"]): row for row in medians}
    months = all(text.startswith("month ") for text in words.values())
    for label, at in x.items():
        drawing.line(at, base, at, base + 4, "axis")
        drawing.text(
            at, base + 17, words[label].removeprefix("month ") if months else words[label], "t", "middle"
        )
        row = by_label.get(label)
        if row is not None:
            patients, tracts = (number_text(row[name]) or "–" for name in ("patients", "tracts"))
            drawing.text(at, base + 50, f"{patients} / {tracts}", "small", "middle")
    drawing.text(
        (_LEFT + _WIDTH - _RIGHT) / 2, base + 33, "months" if months else "timepoint", "small", "middle"
    )
    drawing.text(4, base + 50, "n pat/tr", "small")


def _caption(rows: list[dict[str, Any]], medians: list[dict[str, Any]]) -> str:
    tracts = len({(as_text(row["patient"]), as_text(row["tract"])) for row in rows})
    exact = "with its interval (at least 95 %, exact by order statistics)"
    bars = (
        exact
        if any(number_of(row, "median_low") for row in medians)
        else "(too few patients for an interval)"
    )
    return f"Thin lines: {tracts} tracts. Bold: median of the patients {bars}; wide bar: quartiles."


def _says(medians: list[dict[str, Any]], words: dict[str, str]) -> str:
    said = []
    for row in medians:
        median = number_text(row["median"])
        if median is not None:
            interval = number_of(row, "median_low", "median_high")
            ends = f" ({number_text(interval[0])} to {number_text(interval[1])})" if interval else ""
            said.append(f"{words[as_text(row['timepoint'])]}: median {median}{ends}")
    return "; ".join(said) or "no median"
