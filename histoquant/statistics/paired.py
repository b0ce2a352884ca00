"""Paired change: exact signed-rank test, Hodges-Lehmann with its exact interval, t, sign flips, SRM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtrinc
from scipy.stats import false_discovery_control, permutation_test, rankdata, ttest_1samp
from statsmodels.stats.multitest import multipletests

from histoquant.statistics.estimate import LEVEL, TAIL, Estimate, few

Floats = NDArray[np.float64]
# 2^13 - 1 sign patterns and fewer are all tried; above, this many at random.
SIGN_FLIPS = 9_999
_MIN_FOR_INTERVAL = 6  # 2 / 2^5 = 0.0625: five pairs cannot exclude anything at 5 %
_ROUNDING = 1e-12
# scipy's search in the noncentral t takes no time up to 1,000 and did not come back in minutes at 600,000
_MOST_T = 1_000.0


@dataclass(frozen=True, slots=True)
class SignedRank:
    """Wilcoxon's signed-rank test.

    Attributes
    ----------
    w : float
        Smaller of the two rank sums.
    p : float
        Exact, two-sided.
    smallest_p : float
        Least p that the same number of pairs can give: ``2 / 2^n``.
    """

    w: float
    p: float
    smallest_p: float


def signed_rank(differences: Floats) -> SignedRank:
    """Test paired differences for symmetry about zero, exactly also with zeros and ties.

    scipy's exact method refuses zeros and ties, and its ``auto`` then turns to the normal approximation
    without a word. Here zeros are ranked and left out (Pratt), ties share mid-ranks, and the null
    distribution is that of the ranks at hand.

    Parameters
    ----------
    differences : ndarray, shape (n,)
        Finite, n >= 1.
    """
    ranks = rankdata(np.abs(differences))
    used = differences != 0
    n = int(np.count_nonzero(used))
    if n == 0:
        return SignedRank(0.0, 1.0, 1.0)
    doubled = np.rint(2 * ranks[used]).astype(np.int64)
    positive = int(doubled[differences[used] > 0].sum())
    distribution = _distribution(tuple(sorted(doubled.tolist())))
    tail = min(distribution[: positive + 1].sum(), distribution[positive:].sum())
    w = min(positive, int(doubled.sum()) - positive) / 2
    return SignedRank(w, min(1.0, 2 * float(tail)), smallest_p(n))


def smallest_p(n: int) -> float:
    """Return the least two-sided p that n pairs can give."""
    return min(1.0, 2.0 ** (1 - n))


@lru_cache(maxsize=64)
def _distribution(weights: tuple[int, ...]) -> Floats:
    """Probability of each sum of a random half of the weights, by convolution."""
    chance = np.zeros(sum(weights) + 1)
    chance[0] = 1.0
    for weight in weights:
        chance[weight:] = (chance[weight:] + chance[: chance.size - weight]) / 2
        chance[:weight] /= 2
    return chance


def walsh_averages(differences: Floats) -> Floats:
    """Return all ``(d_i + d_j) / 2`` with i <= j, sorted."""
    i, j = np.triu_indices(differences.size)
    return np.sort((differences[i] + differences[j]) / 2)


def hodges_lehmann(differences: Floats) -> tuple[Estimate, float]:
    """Median of the Walsh averages, with the interval that inverts the exact signed-rank test.

    Parameters
    ----------
    differences : ndarray, shape (n,)
        Finite, n >= 1; zeros stay in.

    Returns
    -------
    Estimate
        Without interval below 6 pairs.
    float
        Confidence attained in percent, at least 95; NaN without interval.
    """
    averages = walsh_averages(differences)
    value = float(np.median(averages))
    n = differences.size
    if n < _MIN_FOR_INTERVAL:
        return Estimate(value, reason=few("patients", n, _MIN_FOR_INTERVAL)), math.nan
    below = np.cumsum(_distribution(tuple(range(2, 2 * n + 1, 2))))[::2]
    k = int(np.searchsorted(below, TAIL, side="right"))
    low, high = float(averages[k - 1]), float(averages[averages.size - k])
    return Estimate(value, low, high), 100 * (1 - 2 * float(below[k - 1]))


def mean_change(differences: Floats) -> Estimate:
    """Mean with its t interval and paired t test; no interval for one pair or without variation."""
    n, value = differences.size, float(np.mean(differences))
    if n < 2:
        return Estimate(value, reason=few("patients", n, 2))
    if _all_equal(differences):
        return Estimate(value, reason="NO_VARIATION (all changes are equal)")
    test = ttest_1samp(differences, 0.0)
    interval = test.confidence_interval(LEVEL)
    return Estimate(value, float(interval.low), float(interval.high), float(test.pvalue))


def sign_flip_p(differences: Floats, seed: int) -> float:
    """Two-sided p of the mean under random signs: all patterns up to 13 pairs, then a seeded 9,999."""
    if differences.size < 2:
        return math.nan
    test = permutation_test(
        (differences,),
        np.mean,
        vectorized=True,
        permutation_type="samples",
        n_resamples=SIGN_FLIPS,
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)


def _all_equal(differences: Floats) -> bool:
    """Whether changes differ by no more than rounding: logs of the same ratio differ in the last digits."""
    return bool(np.ptp(differences) <= _ROUNDING * max(1.0, float(np.abs(differences).max())))


def response_mean(differences: Floats) -> Estimate:
    """Standardised response mean, mean / sd, with the interval of the noncentral t distribution."""
    n = differences.size
    if n < 2 or _all_equal(differences):
        return Estimate(reason=few("patients", n, 2) if n < 2 else "NO_VARIATION (all changes are equal)")
    root = math.sqrt(n)
    srm = float(np.mean(differences) / np.std(differences, ddof=1))
    t = srm * root
    if abs(t) > _MOST_T:
        return Estimate(srm, reason="NO_INTERVAL (the changes hardly differ)")
    low, high = (float(nctdtrinc(n - 1, tail, t)) / root for tail in (1 - TAIL, TAIL))
    return Estimate(srm, low, high)


def holm(p: Floats) -> Floats:
    """Adjust by Holm; NaN stays NaN and does not count."""
    return _adjusted(p, lambda known: multipletests(known, method="holm")[1])


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjust by Benjamini and Hochberg; NaN stays NaN and does not count."""
    return _adjusted(p, lambda known: false_discovery_control(known, method="bh"))


def _adjusted(p: Floats, adjust: object) -> Floats:
    known = np.isfinite(p)
    out = np.full(p.shape, math.nan)
    if known.any():
        out[known] = adjust(p[known])  # type: ignore[operator]
    return out
