"""The positivity threshold of a batch from what its controls show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from histoquant.calibration.model import ThresholdSource

Counts = npt.NDArray[np.int64]

BINS = 3001
"""One bin per thousandth of OD; what is negative lies in the first, what is darker in the last."""

NEGATIVE_QUANTILE = 0.995
MIN_NEGATIVES = 200
"""Fewer values have no 99.5th percentile of their own."""
MIN_POSITIVES = 20
MIN_PASSING = 0.90
FLOOR_SHARE = 0.25
"""Part of the way from the negatives' top to the positives' median below which no threshold is put. Negative
controls hold no stained cell whose light spreads to its neighbours: on phantoms of three strengths the cells
beside stained ones reach 10 - 20 % of the positives' median, three times the controls' 99.5th percentile."""
THRESHOLD_RANGE_OD = (0.02, 2.0)


@dataclass(frozen=True)
class Evidence:
    """What the controls of one marker and batch show of the number that the marker compares.

    Attributes
    ----------
    what, objects_what : str
        What is compared with the threshold and what must pass it: ``cells`` both, or ``pixels`` and
        ``vessels``.
    negative, positive : ndarray of int64, shape (BINS,)
        DAB of negative-control material, and of positive-control material found at ``adapted_od``, as counts.
    objects : ndarray of int64, shape (BINS,)
        Mean DAB of positive-control cells or vessels found at ``adapted_od``.
    adapted_od : float
        Threshold without negative controls.
    adapted_reason : str
        Where it comes from.
    """

    what: str
    objects_what: str
    adapted_od: float
    adapted_reason: str
    negative: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))
    positive: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))
    objects: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))


def counts_of(values_od: npt.NDArray[np.float64]) -> Counts:
    """Counts per thousandth of OD; NaN counts nowhere.

    Parameters
    ----------
    values_od : ndarray of float64
        DAB optical densities.

    Returns
    -------
    ndarray of int64, shape (BINS,)
    """
    known = values_od[~np.isnan(values_od)]
    # the small step keeps 0.2 in bin 200 where its binary form lies below
    bins = np.clip(np.floor(known * 1000.0 + 1e-6), 0, BINS - 1).astype(np.int64)
    return np.bincount(bins, minlength=BINS).astype(np.int64)


def quantile_od(counts: Counts, share: float) -> float:
    """Smallest level, OD, with at least this share of the counts at or below it.

    Parameters
    ----------
    counts : ndarray of int64, shape (BINS,)
        Not all zero.
    share : float

    Returns
    -------
    float
    """
    cumulative = np.cumsum(counts)
    return int(np.searchsorted(cumulative, share * float(cumulative[-1]))) / 1000.0


def share_over(counts: Counts, threshold_od: float) -> float:
    """Share of the counts at or above a threshold in whole thousandths."""
    return float(counts[round(threshold_od * 1000.0) :].sum() / counts.sum())


class ThresholdChoice(NamedTuple):
    """A threshold with its reason.

    Attributes
    ----------
    threshold_od : float
        Whole thousandths.
    source : str
    reason : str
        In words, with the numbers.
    """

    threshold_od: float
    source: ThresholdSource
    reason: str


def choose_threshold(evidence: Evidence) -> ThresholdChoice:
    """Lock a threshold: P99.5 of the negative controls, not below a floor, if the positive controls pass it.

    Parameters
    ----------
    evidence : Evidence

    Returns
    -------
    ThresholdChoice
        ``T = max(P99.5, P99.5 + (median positive - P99.5) / 4)``, and no higher than 90 % of the positive
        controls' cells allow, else the adapted threshold; the reason says which and why.
    """
    what, negatives = evidence.what, int(evidence.negative.sum())
    positives, adapted = int(evidence.objects.sum()), _rounded(evidence.adapted_od)
    if negatives < MIN_NEGATIVES:
        few = f"only {negatives} negative-control {what} ({MIN_NEGATIVES} needed)"
        absent = "no negative control" if negatives == 0 else few
        # without positives either, nothing was adapted to
        source: ThresholdSource = "positive controls" if positives else "marker default"
        return ThresholdChoice(adapted, source, f"{absent}; {evidence.adapted_reason}")
    top = quantile_od(evidence.negative, NEGATIVE_QUANTILE)
    said = f"P99.5 of {negatives:,} negative-control {what} is {top:.3f} OD"
    if positives < MIN_POSITIVES:
        few = f"{said}; only {positives} positive-control {evidence.objects_what} to check against"
        if top <= adapted:
            return ThresholdChoice(adapted, "marker default", f"{few}; {evidence.adapted_reason}")
        return ThresholdChoice(_rounded(top), "negative controls", few)
    return _between(evidence, top, said)


def _between(evidence: Evidence, top: float, said: str) -> ThresholdChoice:
    """With both kinds of control: the choice, and the check that the positives pass it."""
    what, objects = evidence.what, evidence.objects
    median = quantile_od(evidence.positive, 0.5)
    floor = top + FLOOR_SHARE * (median - top)
    chosen = _rounded(max(top, floor))
    passing = share_over(objects, chosen)
    shown = f"{100 * passing:.1f} % of {int(objects.sum()):,} positive-control {evidence.objects_what} pass"
    if passing < MIN_PASSING:
        beyond = 100 * share_over(evidence.negative, _rounded(evidence.adapted_od))
        return ThresholdChoice(
            _rounded(evidence.adapted_od),
            "positive controls",
            f"{said}; at {chosen:.3f} OD {shown}, {100 * MIN_PASSING:.0f} % needed, so the adapted threshold "
            f"stands: {evidence.adapted_reason}; {beyond:.1f} % of the negative-control {what} exceed it",
        )
    if floor <= top:
        return ThresholdChoice(chosen, "negative controls", f"{said}; {shown}")
    return ThresholdChoice(
        chosen,
        "negative and positive controls",
        f"{said}; raised a quarter of the way to the median of stained positive-control {what}, "
        f"{median:.3f} OD, because the light of a stained cell spreads to its neighbours; {shown}",
    )


def _rounded(threshold_od: float) -> float:
    """Whole thousandths, upwards: pixels are counted in those."""
    low, high = THRESHOLD_RANGE_OD
    # the small step back keeps 0.2 at 0.2 where its binary form lies above
    return min(max(float(np.ceil(threshold_od * 1000.0 - 1e-6)) / 1000.0, low), high)
