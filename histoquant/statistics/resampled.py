"""Errors by leaving out one patient at a time: readings of one patient are not independent."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from histoquant.statistics.estimate import TAIL

Floats = NDArray[np.float64]
MIN_CLUSTERS = 3
_NEARLY_ONE = 1 - 1e-12


def jackknife_error(statistic: Callable[[NDArray[np.bool_]], float], clusters: NDArray[np.int64]) -> float:
    """Return the standard error of a statistic, leaving out one cluster at a time; NaN where one has none.

    Parameters
    ----------
    statistic : callable
        Takes the rows to keep, shape (n,).
    clusters : ndarray of int, shape (n,)
    """
    names = np.unique(clusters)
    if names.size < MIN_CLUSTERS:
        return math.nan
    without = np.array([statistic(clusters != name) for name in names])
    return math.sqrt((names.size - 1) / names.size * float(((without - without.mean()) ** 2).sum()))


def correlation_limits(
    statistic: Callable[[NDArray[np.bool_]], float], clusters: NDArray[np.int64]
) -> tuple[float, float]:
    """95 % limits of a statistic between -1 and 1: jackknife over clusters, Fisher's z, t with clusters - 1.

    NaN where it is -1 or 1, where it cannot be told without some cluster, and below 3 clusters.
    """

    def z(kept: NDArray[np.bool_]) -> float:
        value = statistic(kept)
        return math.atanh(value) if abs(value) < _NEARLY_ONE else math.nan

    centre, error = z(np.ones(clusters.size, np.bool_)), jackknife_error(z, clusters)
    half = float(t_distribution.ppf(1 - TAIL, np.unique(clusters).size - 1)) * error
    return math.tanh(centre - half), math.tanh(centre + half)


def chi_square_degrees(
    variance: Callable[[NDArray[np.bool_]], float], clusters: NDArray[np.int64], most: float
) -> float:
    """Degrees of freedom of a variance, ``2 / var(ln variance)``: fewer where few clusters make it."""

    def log(kept: NDArray[np.bool_]) -> float:
        value = variance(kept)
        return math.log(value) if value > 0 else math.nan

    error = jackknife_error(log, clusters)
    return min(most, 2 / error**2) if error > 0 else (most if error == 0 else math.nan)
