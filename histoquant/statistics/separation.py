"""How well a change separates two groups: the area under the ROC curve with its interval. No cut-points."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import PermutationMethod, mannwhitneyu, norm

from histoquant.statistics.estimate import TAIL, Estimate, few

Floats = NDArray[np.float64]
PERMUTATIONS = 9_999
_MIN_GROUP = 2
_HAIR = 1e-9


def area_under_curve(higher: Floats, lower: Floats, seed: int) -> Estimate:
    """Share of pairs in which the value of ``higher`` exceeds that of ``lower``, ties by half.

    The interval solves ``|A - a| = 1.96 sqrt(V(A))`` for A with Hanley and McNeil's variance under
    exponential scores (Newcombe, Stat Med 2006;25:559, method 5): it stays within 0 to 1 and keeps a width
    where the groups do not overlap, which DeLong's does not.

    Parameters
    ----------
    higher, lower : ndarray
        Finite.
    seed : int
        For the permutation p where values are tied; without ties it is exact.
    """
    m, n = higher.size, lower.size
    if min(m, n) < _MIN_GROUP:
        return Estimate(reason=few("patients", min(m, n), _MIN_GROUP) + " in the smaller group")
    values = np.concatenate([higher, lower])
    tied = np.unique(values).size < values.size
    method = PermutationMethod(PERMUTATIONS, rng=np.random.default_rng(seed)) if tied else "exact"
    test = mannwhitneyu(higher, lower, method=method)
    area = float(test.statistic) / (m * n)
    low, high = _limits(area, m, n)
    return Estimate(area, low, high, min(1.0, float(test.pvalue)))


def _limits(area: float, m: int, n: int) -> tuple[float, float]:
    z = float(norm.ppf(1 - TAIL))

    def excess(true: float) -> float:
        return abs(true - area) - z * math.sqrt(_variance(true, m, n))

    # at 0 and 1 themselves the variance is nil, so the search ends a hair beside them
    low = 0.0 if area <= 0 else float(brentq(excess, 0.0, min(area, 1 - _HAIR)))
    high = 1.0 if area >= 1 else float(brentq(excess, max(area, _HAIR), 1.0))
    return low, high


def _variance(area: float, m: int, n: int) -> float:
    pairs = (m + n) / 2 - 1
    return area * (1 - area) / (m * n) * (1 + pairs * ((1 - area) / (2 - area) + area / (1 + area)))
