"""Agreement of two readings: ICC(A,1), Lin's concordance, Bland-Altman, weighted kappa, detectable change."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution
from scipy.stats import norm
from scipy.stats import t as t_distribution
from statsmodels.stats.inter_rater import cohens_kappa

from histoquant.statistics.estimate import TAIL, Estimate, few

Floats = NDArray[np.float64]
_MIN_READINGS = 3
_Z = float(norm.ppf(1 - TAIL))
# Koo and Li, J Chiropr Med 2016;15:155; applied to the lower limit, not to the estimate
_CLASSES = ((0.9, "excellent"), (0.75, "good"), (0.5, "moderate"), (-math.inf, "poor"))


@dataclass(frozen=True, slots=True)
class MeanSquares:
    """Two-way table of n subjects (rows) by k raters (columns): mean squares of rows, columns and rest."""

    n: int
    k: int
    rows: float
    columns: float
    rest: float


def mean_squares(table: Floats) -> MeanSquares:
    """Decompose a complete subjects x raters table."""
    n, k = table.shape
    grand = table.mean()
    by_row, by_column = table.mean(axis=1), table.mean(axis=0)
    rows = k * float(((by_row - grand) ** 2).sum()) / (n - 1)
    columns = n * float(((by_column - grand) ** 2).sum()) / (k - 1)
    rest = float(((table - by_row[:, None] - by_column[None, :] + grand) ** 2).sum())
    return MeanSquares(n, k, rows, columns, rest / ((n - 1) * (k - 1)))


def icc_absolute(table: Floats) -> Estimate:
    """ICC(A,1): two-way, absolute agreement, single reader (F15), negative values as they are.

    Interval: McGraw and Wong, Psychol Methods 1996;1:30, table 7.

    Parameters
    ----------
    table : ndarray, shape (subjects, raters)
        Complete, at least 3 subjects.
    """
    if table.shape[0] < _MIN_READINGS:
        return Estimate(reason=few("readings", table.shape[0], _MIN_READINGS))
    ms = mean_squares(table)
    n, k = ms.n, ms.k
    below = ms.rows + (k - 1) * ms.rest + k * (ms.columns - ms.rest) / n
    if not below > 0:
        return Estimate(reason="NO_VARIATION (all readings are equal)")
    icc = (ms.rows - ms.rest) / below
    if not ms.rest > 0 or not icc < 1:
        return Estimate(icc, reason="NO_VARIATION (readers differ by a constant)")
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    spread = (a * ms.columns) ** 2 / (k - 1) + (b * ms.rest) ** 2 / ((n - 1) * (k - 1))
    if not spread > 0:
        return Estimate(icc, reason="NO_INTERVAL (readings mirror each other)")
    degrees = (a * ms.columns + b * ms.rest) ** 2 / spread
    upper_f = float(f_distribution.ppf(1 - TAIL, n - 1, degrees))
    lower_f = float(f_distribution.ppf(1 - TAIL, degrees, n - 1))
    rater = k * ms.columns + (k * n - k - n) * ms.rest
    low = n * (ms.rows - upper_f * ms.rest) / (upper_f * rater + n * ms.rows)
    high = n * (lower_f * ms.rows - ms.rest) / (rater + n * lower_f * ms.rows)
    return Estimate(icc, low, high)


def icc_class(low: float) -> str | None:
    """Name the agreement by the lower limit; None without one."""
    return None if math.isnan(low) else next(name for cut, name in _CLASSES if low >= cut)


def concordance(a: Floats, b: Floats) -> Estimate:
    """Lin's concordance with 1/n moments (F15); interval by Fisher's z (Lin, Biometrics 1989;45:255)."""
    n = a.size
    if n < _MIN_READINGS:
        return Estimate(reason=few("readings", n, _MIN_READINGS))
    shift = float(a.mean() - b.mean())
    var_a, var_b = float(a.var()), float(b.var())
    below = var_a + var_b + shift**2
    if not below > 0:
        return Estimate(reason="NO_VARIATION (all readings are equal)")
    ccc = 2 * float(((a - a.mean()) * (b - b.mean())).mean()) / below
    if n <= _MIN_READINGS:
        return Estimate(ccc, reason=few("readings", n, _MIN_READINGS + 1))
    if not min(var_a, var_b) > 0:
        return Estimate(ccc, reason="NO_VARIATION (one reader's values are all equal)")
    r = float(np.corrcoef(a, b)[0, 1])
    if not abs(r) < 1 or not 0 < abs(ccc) < 1:
        return Estimate(ccc, reason="NO_VARIATION (readings lie on a line)")
    u = shift**2 / math.sqrt(var_a * var_b)
    spread = (
        (1 - r**2) * ccc**2 / ((1 - ccc**2) * r**2)
        + 2 * ccc**3 * (1 - ccc) * u / (r * (1 - ccc**2) ** 2)
        - ccc**4 * u**2 / (2 * r**2 * (1 - ccc**2) ** 2)
    ) / (n - 2)
    half = _Z * math.sqrt(max(spread, 0.0))
    return Estimate(ccc, math.tanh(math.atanh(ccc) - half), math.tanh(math.atanh(ccc) + half))


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Bias of b against a, and limits that hold 95 % of differences.

    Attributes
    ----------
    bias : Estimate
        Interval over patients.
    loa_low, loa_high : float
        Limits of agreement, ``bias -+ 1.96 sd``.
    sem : float
        Standard error of measurement, ``sd / sqrt(2)``.
    smallest_detectable : float
        ``1.96 sqrt(2) sem``.
    """

    bias: Estimate
    loa_low: float = math.nan
    loa_high: float = math.nan
    sem: float = math.nan
    smallest_detectable: float = math.nan


def bland_altman(a: Floats, b: Floats, clusters: NDArray[np.int64]) -> BlandAltman:
    """Compare two readings by their differences.

    Parameters
    ----------
    a, b : ndarray, shape (n,)
    clusters : ndarray of int, shape (n,)
        Patient of each reading.
    """
    difference = b - a
    value = float(difference.mean()) if difference.size else math.nan
    if difference.size < 2:
        return BlandAltman(Estimate(value, reason=few("readings", difference.size, 2)))
    sd = float(difference.std(ddof=1))
    low, high = cluster_mean_limits(difference, clusters)
    reason = few("patients", int(np.unique(clusters).size), 2) if math.isnan(low) else None
    sem = sd / math.sqrt(2)
    return BlandAltman(
        Estimate(value, low, high, reason=reason),
        value - _Z * sd,
        value + _Z * sd,
        sem,
        _Z * math.sqrt(2) * sem,
    )


def cluster_mean_limits(values: Floats, clusters: NDArray[np.int64]) -> tuple[float, float]:
    """95 % limits of a mean over clustered rows: cluster-robust error, t with clusters - 1; NaN for one.

    The percentile bootstrap over clusters held the truth in 92 % only with 20 of them
    (``benchmarks/trial_statistics.py``).
    """
    names, place = np.unique(clusters, return_inverse=True)
    if names.size < 2:
        return math.nan, math.nan
    mean = float(values.mean())
    residual = np.bincount(place, weights=values - mean)
    error = math.sqrt(names.size / (names.size - 1) * float((residual**2).sum())) / values.size
    half = float(t_distribution.ppf(1 - TAIL, names.size - 1)) * error
    return mean - half, mean + half


def quadratic_kappa(table: NDArray[np.int64]) -> Estimate:
    """Quadratic-weighted kappa of a square table of grades, with its large-sample interval."""
    total = int(table.sum())
    if total < _MIN_READINGS:
        return Estimate(reason=few("readings", total, _MIN_READINGS))
    used = (table.sum(axis=0) + table.sum(axis=1)) > 0
    if np.count_nonzero(used) < 2:
        return Estimate(reason="NO_VARIATION (one grade only)")
    kappa = cohens_kappa(table, wt="quadratic")
    return Estimate(float(kappa.kappa), float(kappa.kappa_low), min(1.0, float(kappa.kappa_upp)))
