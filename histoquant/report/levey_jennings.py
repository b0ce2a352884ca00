"""Levey-Jennings charts: how control slides read from staining run to staining run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from histoquant.calibration.drift import DriftPoint, DriftSeries
from histoquant.report.plots import PLOT_STYLE, short_label

_BLUE: Final = "#0072B2"
_RED: Final = "#A3201D"
_BANDS: Final = ((1, "#9aa3ad", (0, (1, 2))), (2, "#C99A2E", (0, (4, 2))), (3, "#B4453F", "-"))
_MOST_NAMED: Final = 6  # names of more broken points run into each other; the text below names all


def draw_levey_jennings(series: Sequence[DriftSeries]) -> bytes:
    """Draw one marker's controls as SVG: one panel per measure over a common order of staining runs.

    Parameters
    ----------
    series : sequence of DriftSeries
        Of one marker, at least one.

    Returns
    -------
    bytes
        SVG whose bytes depend on the series only. Lines: mean and 1, 2, 3 standard deviations of all points
        of the panel. Points that break a Westgard rule are red diamonds with slide and rule.
    """
    order = _runs(series)
    with mpl.rc_context(PLOT_STYLE):  # type: ignore[arg-type]
        height = 0.75 + 1.45 * len(series)
        figure = Figure(figsize=(10.6, height))
        figure.subplots_adjust(0.075, 0.52 / height, 0.925, 1 - 0.42 / height, hspace=0.42)
        panels = figure.subplots(len(series), 1, sharex=True, squeeze=False).ravel()
        for axes, one in zip(panels, series, strict=True):
            _panel(axes, one)
            _separate_batches(axes, order)
        _name_batches(panels[-1], order)
        figure.text(
            0.008, 1 - 0.10 / height, f"{series[0].marker} controls", fontsize=10.5, weight="bold", va="top"
        )
        FigureCanvasSVG(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _runs(series: Sequence[DriftSeries]) -> list[tuple[int, str]]:
    """Place and batch of every control that any panel shows."""
    return sorted({(point.order, point.batch) for one in series for point in one.points})


def _panel(axes: Axes, series: DriftSeries) -> None:
    x = np.array([point.order for point in series.points], dtype=np.float64)
    y = np.array([point.value for point in series.points], dtype=np.float64)
    reach = _reach(series, y)
    axes.set_ylim(series.mean - reach, series.mean + reach)
    axes.axhline(series.mean, color="#4a525c", linewidth=1.1, zorder=1)
    _at_right(axes, series.mean, "mean", "#4a525c")
    if np.isfinite(series.sd) and series.sd > 0:
        for times, color, dashes in _BANDS:
            for sign in (-1, 1):
                level = series.mean + sign * times * series.sd
                axes.axhline(level, color=color, linewidth=0.9, linestyle=dashes, zorder=1)
            _at_right(axes, series.mean + times * series.sd, f"+{times} SD", color)
            _at_right(axes, series.mean - times * series.sd, f"-{times} SD", color)
    axes.plot(x, y, color=_BLUE, linewidth=1.0, alpha=0.55, zorder=2)
    kept = np.array([not point.rules for point in series.points])
    axes.plot(x[kept], y[kept], linestyle="none", marker="o", markersize=5, color=_BLUE, zorder=3)
    axes.plot(x[~kept], y[~kept], linestyle="none", marker="D", markersize=6, color=_RED, zorder=4)
    for point in series.broken[:_MOST_NAMED]:
        _name(axes, point, series.mean)
    axes.set_ylabel(series.unit)
    axes.grid(visible=False)
    kind = "positive controls" if series.kind == "positive" else "negative controls"
    axes.set_title(f"{series.measure}, {kind}", loc="left", fontsize=8.5, pad=3)


def _reach(series: DriftSeries, y: np.ndarray) -> float:
    """Half of the panel's height: 3 SD and every point, with a margin."""
    sd = series.sd if np.isfinite(series.sd) else 0.0
    farthest = float(np.abs(y - series.mean).max())
    return 1.15 * max(3.0 * sd, farthest) or max(abs(series.mean) * 0.2, 0.01)


def _at_right(axes: Axes, level: float, text: str, color: str) -> None:
    place = {"xycoords": axes.get_yaxis_transform(), "xytext": (4, 0), "textcoords": "offset points"}
    axes.annotate(text, (1.0, level), va="center", fontsize=6.5, color=color, **place)  # type: ignore[arg-type]


def _name(axes: Axes, point: DriftPoint, mean: float) -> None:
    """Slide and rule beside a broken point, on the side of the mean, where there is room."""
    above = point.value <= mean
    axes.annotate(
        f"{short_label(point.slide, 28)}: {', '.join(point.rules)}",
        (point.order, point.value),
        xytext=(-8, 3 if above else -3),
        textcoords="offset points",
        ha="right" if point.order else "left",
        va="bottom" if above else "top",
        fontsize=7,
        color=_RED,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        zorder=5,
    )


def _separate_batches(axes: Axes, order: Sequence[tuple[int, str]]) -> None:
    for (place, batch), (following, other) in pairwise(order):
        if batch != other:
            axes.axvline((place + following) / 2, color="#e1e5ea", linewidth=1.0, zorder=0)


def _name_batches(axes: Axes, order: Sequence[tuple[int, str]]) -> None:
    """Batch names below the last panel, in the middle of their slides; only as many as there is room for."""
    groups = [(batch, [place for place, _ in own]) for batch, own in groupby(order, key=lambda item: item[1])]
    every = -(-len(groups) // 16)
    shown = groups[::every]
    axes.set_xticks(
        [float(np.mean(places)) for _, places in shown], [short_label(batch, 10) for batch, _ in shown]
    )
    first, last = order[0][0], order[-1][0]
    axes.set_xlim(first - 0.6, last + 0.6)
    axes.set_xlabel("staining run (batch), in the order of the slide table")
