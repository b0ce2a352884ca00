"""Levey-Jennings statistics: does a control read as the other controls of its marker do?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from histoquant.calibration.model import ControlSlide

MIN_OTHERS = 5
"""Fewer other controls do not tell how much controls vary, so no rule is applied."""

Rule = Literal["1-3s", "2-2s"]


@dataclass(frozen=True)
class DriftPoint:
    """One control in one series.

    Attributes
    ----------
    order : int
        Place among the marker's controls, positive and negative, in the order of staining runs.
    slide, batch : str
    value : float
    score : float or None
        Standard deviations from the other controls; None when there are too few of them.
    rules : tuple of str
        Westgard rules broken here.
    """

    order: int
    slide: str
    batch: str
    value: float
    score: float | None = None
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class DriftSeries:
    """One measure of one marker's controls, in the order of staining runs.

    Attributes
    ----------
    marker, kind, measure, unit : str
    points : tuple of DriftPoint
    mean, sd : float
        Of all points; ``sd`` is NaN for a single one.
    """

    marker: str
    kind: str
    measure: str
    unit: str
    points: tuple[DriftPoint, ...]
    mean: float
    sd: float

    @property
    def judged(self) -> bool:
        """Whether there were enough controls to apply the rules."""
        return len(self.points) > MIN_OTHERS

    @property
    def broken(self) -> tuple[DriftPoint, ...]:
        """Points that break a rule."""
        return tuple(point for point in self.points if point.rules)


_MEASURES = (
    ("positive_area_percent", "positive area", "%"),
    ("positive_dab_od", "median DAB of positives", "OD"),
    ("hematoxylin_od", "haematoxylin strength", "OD"),
)


def drift_series(controls: Iterable[ControlSlide]) -> list[DriftSeries]:
    """Form every series that has a point.

    Parameters
    ----------
    controls : iterable of ControlSlide
        In the order of staining runs; markers may be mixed.

    Returns
    -------
    list of DriftSeries
        By marker. All three measures of the positive controls, then the area of the negative ones: the other
        two say nothing of a slide without stain.
    """
    listed = list(controls)
    series = []
    for marker in sorted({control.marker for control in listed}):
        for kind, measures in (("positive", _MEASURES), ("negative", _MEASURES[:1])):
            for name, measure, unit in measures:
                points = [
                    DriftPoint(order, control.slide, control.batch, value)
                    for order, control in enumerate(c for c in listed if c.marker == marker)
                    if control.kind == kind and (value := getattr(control, name)) is not None
                ]
                if points:
                    series.append(judge(marker, kind, measure, unit, points))
    return series


def judge(marker: str, kind: str, measure: str, unit: str, points: Sequence[DriftPoint]) -> DriftSeries:
    """Score one series and apply the rules of Westgard (Clin Chem 1981;27:493).

    Parameters
    ----------
    marker, kind, measure, unit : str
    points : sequence of DriftPoint
        In the order of staining runs, not scored yet.

    Returns
    -------
    DriftSeries

    Notes
    -----
    1-3s: one control beyond 3 standard deviations. 2-2s: two in a row beyond 2 on the same side. A point
    takes no part in the mean and deviation it is judged by: among n points none lies farther than
    (n - 1) / sqrt(n) of their common deviations, so that fewer than 11 could never break 1-3s. Its distance,
    ``(x - mean') / (sd' sqrt(1 + 1 / (n - 1)))``, is Student's t with n - 2 degrees of freedom and is turned
    into the normal score of the same probability, so that few controls raise no more false alarms than many.
    """
    numbers = np.array([point.value for point in points], dtype=np.float64)
    scores = _scores(numbers)
    scored = []
    for k, point in enumerate(points):
        rules: list[Rule] = []
        score, before = scores[k], scores[k - 1] if k else None
        if score is not None and abs(score) > 3.0:
            rules.append("1-3s")
        if score is not None and before is not None and min(score * np.sign(before), abs(before)) > 2.0:
            rules.append("2-2s")
        scored.append(replace(point, score=score, rules=tuple(rules)))
    sd = float(numbers.std(ddof=1)) if numbers.size > 1 else float("nan")
    return DriftSeries(marker, kind, measure, unit, tuple(scored), float(numbers.mean()), sd)


def _scores(numbers: np.ndarray) -> list[float | None]:
    """Normal score of each number against all others; all None when there are too few."""
    n = numbers.size
    if n <= MIN_OTHERS:
        return [None] * n
    from scipy import stats  # takes a second to load, and a run only reads the lock

    scores: list[float | None] = []
    for k in range(n):
        others = np.delete(numbers, k)
        spread = float(others.std(ddof=1)) * float(np.sqrt(1.0 + 1.0 / (n - 1)))
        # rounding in the file alone makes equal readings differ by less than this
        distance = (numbers[k] - others.mean()) / max(spread, 1e-6 * max(1.0, abs(float(others.mean()))))
        tail = stats.t.logsf(abs(distance), n - 2)
        scores.append(float(np.sign(distance) * min(-stats.norm.ppf(np.exp(tail)), 99.0)))
    return scores


def spoken(series: DriftSeries) -> list[str]:
    """Say in words what the rules found.

    Parameters
    ----------
    series : DriftSeries

    Returns
    -------
    list of str
        One sentence per point that breaks a rule; one sentence when there was nothing to judge by.
    """
    said = f"{series.marker} {series.kind} controls, {series.measure}"
    if not series.judged:
        few = f"{len(series.points)} control{'s' if len(series.points) > 1 else ''}"
        return [f"{said}: {few}, too few to judge drift ({MIN_OTHERS + 1} needed)."]
    meaning = {"1-3s": "beyond 3 SD of the others", "2-2s": "second in a row beyond 2 SD on one side"}
    return [
        f"{said}: {point.slide} (batch {point.batch}) reads {point.value:.3g} {series.unit}, "
        f"{point.score:+.1f} SD: {'; '.join(f'{rule}, {meaning[rule]}' for rule in point.rules)}."
        for point in series.broken
    ]
