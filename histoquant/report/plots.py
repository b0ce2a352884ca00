"""Timepoint plots: one line per patient and tract, intervals shown, gaps left open."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from histoquant.report.numbers import as_number, as_text, natural_key
from histoquant.report.palette import LINES

_MAX_LINES = 8  # more lines on one panel cannot be told apart: one small panel per patient instead
_LOG_FROM_RATIO = 20.0  # largest over smallest value: below this a linear axis reads better
_COLUMNS = 5

PLOT_STYLE: dict[str, object] = {
    "svg.hashsalt": "histoquant",
    "svg.fonttype": "path",
    "text.parse_math": False,  # ids may hold a dollar sign
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a929c",
    "axes.linewidth": 0.8,
    "axes.labelcolor": "#1f242b",
    "text.color": "#1f242b",
    "xtick.color": "#4a525c",
    "ytick.color": "#4a525c",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e9ed",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
}


@dataclass(frozen=True)
class TimepointPlot:
    """What one plot shows.

    Parameters
    ----------
    title : str
        Measured quantity, for example ``CD68+ cells``.
    ylabel : str
        Quantity with unit.
    table : DataFrame
        Columns ``patient, tract, timepoint, value`` and, where known, ``low, high, month``.
    vascular : bool
        Vessels have no good direction and no place in the index; they are shown apart.
    """

    title: str
    ylabel: str
    table: pd.DataFrame
    vascular: bool = False


@dataclass(frozen=True)
class _Line:
    patient: str
    tract: str
    x: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def short_label(text: str, most: int) -> str:
    """Cut the middle out of a long label, so that labels do not run into each other."""
    if len(text) <= most:
        return text or "–"
    return f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"


def month_of(timepoint: str) -> float | None:
    """Read months from ``M2``, ``month 2``, ``2m``, ``2``; ``None`` where the label does not say."""
    match = re.fullmatch(
        r"(?:m|mo|month)?[\s_-]?(\d+(?:\.\d+)?)\s*(?:m|mo|months?)?", timepoint.strip().lower()
    )
    return float(match.group(1)) if match else None


def _positions(table: pd.DataFrame) -> tuple[dict[str, float], bool]:
    """Return an x position for every timepoint label, and whether positions are months."""
    labels = sorted({as_text(t) for t in table["timepoint"]}, key=natural_key)
    months: dict[str, float] = {}
    for label in labels:
        rows = table[table["timepoint"].map(as_text) == label]
        known = [as_number(m) for m in rows["month"]] if "month" in table else []
        stated = [m for m in known if m is not None]
        month = stated[0] if stated else month_of(label)
        if month is not None:
            months[label] = month
    if len(months) == len(labels) and len(set(months.values())) == len(labels):
        return months, True
    return {label: float(i) for i, label in enumerate(labels)}, False


def _column(rows: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    if name not in rows:
        return np.full(len(rows), np.nan)
    return np.array([np.nan if (v := as_number(x)) is None else v for x in rows[name]], np.float64)


def _lines(table: pd.DataFrame, positions: dict[str, float]) -> list[_Line]:
    """Split into patient-tracts; a timepoint without a value becomes NaN and breaks the line."""
    keys = sorted(
        {(as_text(p), as_text(t)) for p, t in zip(table["patient"], table["tract"], strict=True)},
        key=lambda k: (natural_key(k[0]), natural_key(k[1])),
    )
    lines = []
    for patient, tract in keys:
        chosen = (table["patient"].map(as_text) == patient) & (table["tract"].map(as_text) == tract)
        rows = table[chosen]
        x = np.array([positions[as_text(t)] for t in rows["timepoint"]], np.float64)
        value, low, high = (_column(rows, name) for name in ("value", "low", "high"))
        absent = np.array([p for p in positions.values() if p not in set(x[np.isfinite(value)])])
        keep = np.isfinite(value)
        gap = np.full(len(absent), np.nan)
        x = np.concatenate([x[keep], absent])
        order = np.argsort(x, kind="stable")
        parts = [np.concatenate([a[keep], gap])[order] for a in (value, low, high)]
        lines.append(_Line(patient, tract, x[order], *parts))
    return lines


def _scale(axes: Axes, lines: Sequence[_Line]) -> None:
    values = np.concatenate([line.value[np.isfinite(line.value)] for line in lines])
    above = values[values > 0]
    wide = len(above) > 1 and above.max() / above.min() >= _LOG_FROM_RATIO
    if wide and len(above) == len(values):
        axes.set_yscale("log")
    elif wide:
        axes.set_yscale("symlog", linthresh=float(above.min()), linscale=0.4)
    if not wide:
        tops = np.concatenate([np.where(np.isfinite(line.high), line.high, line.value) for line in lines])
        top = float(np.nanmax(tops)) if np.isfinite(tops).any() else 1.0
        axes.set_ylim(0, top * 1.08 if top > 0 else 1.0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.3g}" if abs(y) < 1000 else f"{y:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_others(axes: Axes, lines: Sequence[_Line]) -> None:
    """Everybody else in grey, as one broken line: a line of its own for each takes seconds over a trial."""
    if lines:
        x = np.concatenate([np.append(line.x, np.nan) for line in lines])
        value = np.concatenate([np.append(line.value, np.nan) for line in lines])
        axes.plot(x, value, color="#d5dae0", linewidth=0.9, zorder=1)


def _draw_line(axes: Axes, line: _Line, color: str, dodge: float) -> None:
    x = line.x + dodge
    label = short_label(" ".join(p for p in (line.patient, line.tract) if p) or "all", 24)
    bounded = np.isfinite(line.low) & np.isfinite(line.high) & np.isfinite(line.value)
    axes.vlines(x[bounded], line.low[bounded], line.high[bounded], color=color, linewidth=1.3, alpha=0.55)
    axes.plot(x, line.value, color=color, linewidth=1.6, marker="o", markersize=4.5, label=label, zorder=3)
    missing = ~np.isfinite(line.value)
    if missing.any():
        axes.plot(
            x[missing],
            np.full(int(missing.sum()), 0.03),
            linestyle="none",
            marker="x",
            markersize=5,
            markeredgewidth=1.2,
            color=color,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=4,
        )


def _x_axis(axes: Axes, positions: dict[str, float], months: bool) -> None:
    places = sorted(positions.items(), key=lambda item: item[1])
    names = [f"{x:g}" if months else short_label(label, 10) for label, x in places]
    axes.set_xticks([x for _, x in places], names)
    xs = [x for _, x in places]
    span = (xs[-1] - xs[0]) or 1.0
    axes.set_xlim(xs[0] - 0.12 * span, xs[-1] + 0.12 * span)


def _dodges(lines: Sequence[_Line], positions: dict[str, float]) -> Iterator[float]:
    """Shift lines sideways a little so that intervals at one timepoint do not hide each other."""
    xs = sorted(positions.values())
    step = min((b - a for a, b in pairwise(xs)), default=1.0)
    width = 0.14 * step
    for i in range(len(lines)):
        yield 0.0 if len(lines) == 1 else width * (i / (len(lines) - 1) - 0.5)


def _name_tracts(axes: Axes, own: Sequence[_Line], colors: dict[str, str]) -> None:
    """Name the tracts in their colours at the panel's top right."""
    for i, line in enumerate(own):
        place = (1.0, 1.0 - 0.14 * i)
        axes.annotate(
            short_label(line.tract, 12),
            place,
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=7,
            color=colors[line.tract],
        )


def _one_panel(plot: TimepointPlot, lines: list[_Line], positions: dict[str, float], months: bool) -> Figure:
    figure = Figure(figsize=(6.4, 3.5), layout="constrained")
    axes = figure.add_subplot()
    _scale(axes, lines)
    for i, (line, dodge) in enumerate(zip(lines, _dodges(lines, positions), strict=True)):
        _draw_line(axes, line, LINES[i % len(LINES)], dodge)
    _x_axis(axes, positions, months)
    axes.set_ylabel(plot.ylabel)
    axes.set_xlabel("months" if months else "timepoint")
    axes.set_title(plot.title, loc="left", fontsize=10.5, fontweight="bold")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.4)
    return figure


def _small_multiples(
    plot: TimepointPlot, lines: list[_Line], positions: dict[str, float], months: bool
) -> Figure:
    patients = sorted({line.patient for line in lines}, key=natural_key)
    tracts = sorted({line.tract for line in lines}, key=natural_key)
    colors = {tract: LINES[i % len(LINES)] for i, tract in enumerate(tracts)}
    rows = math.ceil(len(patients) / _COLUMNS)
    height = 1.0 + 1.55 * rows
    figure = Figure(figsize=(10.6, height))  # fixed margins: a layout solver takes seconds over 40 panels
    figure.subplots_adjust(0.075, 0.5 / height, 0.99, 1 - 0.6 / height, wspace=0.12, hspace=0.3)
    grid = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in grid[len(patients) :]:
        axes.set_visible(False)
    # for all panels, which share their axes: each for itself would tell every other
    _scale(grid[0], lines)
    _x_axis(grid[0], positions, months)
    for at, (axes, patient) in enumerate(zip(grid, patients, strict=False)):
        own = [line for line in lines if line.patient == patient]
        _draw_others(axes, [line for line in lines if line.patient != patient])
        for line, dodge in zip(own, _dodges(own, positions), strict=True):
            _draw_line(axes, line, colors[line.tract], dodge)
        axes.set_title(short_label(patient, 18), loc="left", fontsize=8.5, fontweight="bold", pad=3)
        if len(colors) > 1:
            _name_tracts(axes, own, colors)
        axes.tick_params(labelsize=7.5, labelbottom=at + _COLUMNS >= len(patients))
    figure.text(0.008, 0.5, plot.ylabel, fontsize=9, rotation=90, ha="left", va="center")
    figure.text(0.53, 0.06 / height, "months" if months else "timepoint", fontsize=9, ha="center")
    figure.text(0.008, 1 - 0.12 / height, plot.title, fontsize=10.5, fontweight="bold", va="top")
    return figure


def draw_timepoints(plot: TimepointPlot) -> bytes | None:
    """Draw one quantity over the timepoints as SVG.

    Up to eight patient-tracts share one panel; more are drawn one small panel per patient with all others in
    grey behind. The axis is logarithmic where values span more than a factor of 20. A cross at the foot
    marks a timepoint without a value; the line is broken there.

    Parameters
    ----------
    plot : TimepointPlot

    Returns
    -------
    bytes or None
        SVG whose bytes depend on the table only; ``None`` where there is no value at all.
    """
    if plot.table.empty:
        return None
    positions, months = _positions(plot.table)
    lines = [line for line in _lines(plot.table, positions) if np.isfinite(line.value).any()]
    if not lines:
        return None
    with mpl.rc_context(PLOT_STYLE):  # type: ignore[arg-type]
        draw = _one_panel if len(lines) <= _MAX_LINES else _small_multiples
        figure = draw(plot, lines, positions, months)
        FigureCanvasSVG(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
