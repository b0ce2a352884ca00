"""Timepoints of the same patients: any difference (Friedman, Skillings-Mack), a fall or a rise (Page)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, friedmanchisquare, page_trend_test, rankdata

from histoquant.statistics.estimate import few

_MIN_ROWS = 3
# scipy counts the exact distribution; beyond this it takes long and the normal approximation is close
_EXACT_ROWS, _EXACT_COLUMNS = 20, 3


@dataclass(frozen=True, slots=True)
class Trend:
    """Friedman's and Page's tests over complete rows.

    Attributes
    ----------
    chi2, p : float
        Friedman's statistic and chi-square p.
    fall_l, fall_p, rise_p : float
        Page's L for a fall, its one-sided p, and that of a rise.
    reason : str or None
    """

    chi2: float = math.nan
    p: float = math.nan
    fall_l: float = math.nan
    fall_p: float = math.nan
    rise_p: float = math.nan
    reason: str | None = None


def trend(rows: NDArray[np.float64]) -> Trend:
    """Test complete blocks.

    Parameters
    ----------
    rows : ndarray, shape (patients, timepoints)
        Finite, timepoints in order.
    """
    n, k = rows.shape
    if k < 3:
        return Trend(reason=few("timepoints", k, 3))
    if n < _MIN_ROWS:
        return Trend(reason=few("patients", n, _MIN_ROWS))
    if bool(np.all(np.ptp(rows, axis=1) == 0)):
        return Trend(reason="NO_VARIATION (no patient changes)")
    friedman = friedmanchisquare(*rows.T)
    method = "exact" if n <= _EXACT_ROWS and k <= _EXACT_COLUMNS else "asymptotic"
    fall = page_trend_test(-rows, method=method)
    rise = page_trend_test(rows, method=method)
    return Trend(
        float(friedman.statistic),
        float(friedman.pvalue),
        float(fall.statistic),
        float(fall.pvalue),
        float(rise.pvalue),
    )


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Skillings and Mack's test.

    Attributes
    ----------
    statistic, p : float
        Chi-square with timepoints - 1 degrees of freedom.
    rows : int
        Rows with two timepoints or more.
    reason : str or None
    """

    statistic: float = math.nan
    p: float = math.nan
    rows: int = 0
    reason: str | None = None


def skillings_mack(rows: NDArray[np.float64]) -> Incomplete:
    """Test for any difference between timepoints of which some are missing at random.

    Skillings and Mack, Technometrics 1981;23:171.
    Ranks within each row, weighted by ``sqrt(12 / (present + 1))``; without gaps it is Friedman's test, ties
    included. Neither scipy nor statsmodels has it.

    Parameters
    ----------
    rows : ndarray, shape (patients, timepoints)
        NaN where a timepoint is missing; rows with fewer than two are left out.
    """
    k = rows.shape[1]
    used = rows[np.isfinite(rows).sum(axis=1) >= 2]
    n = int(used.shape[0])
    if k < 3:
        return Incomplete(rows=n, reason=few("timepoints", k, 3))
    if n < _MIN_ROWS:
        return Incomplete(rows=n, reason=few("patients", n, _MIN_ROWS))
    sums, covariance = np.zeros(k), np.zeros((k, k))
    for row in used:
        here = np.flatnonzero(np.isfinite(row))
        ranks = rankdata(row[here])
        weight = 12 / (here.size + 1)
        sums[here] += math.sqrt(weight) * (ranks - ranks.mean())
        # of ranks dealt at random to the timepoints present; without ties var() is (present^2 - 1) / 12
        share = weight * float(ranks.var()) / (here.size - 1)
        covariance[np.ix_(here, here)] += share * (here.size * np.eye(here.size) - 1)
    rank = int(np.linalg.matrix_rank(covariance))
    if rank < k - 1:
        tied = bool(np.all([np.ptp(row[np.isfinite(row)]) == 0 for row in used]))
        reason = (
            "NO_VARIATION (no patient changes)" if tied else "NOT_CONNECTED (timepoints share no patient)"
        )
        return Incomplete(rows=n, reason=reason)
    statistic = float(sums @ np.linalg.pinv(covariance, hermitian=True) @ sums)
    return Incomplete(statistic, float(chi2.sf(statistic, k - 1)), n)
