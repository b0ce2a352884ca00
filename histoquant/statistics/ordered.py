"""Ordered groups (resistant, improved, closed): Jonckheere-Terpstra, exact or by permutation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PERMUTATIONS = 9_999
_EXACT_UP_TO = 200  # values; counting all arrangements then still takes milliseconds


@dataclass(frozen=True, slots=True)
class Jonckheere:
    """The Jonckheere-Terpstra test.

    Attributes
    ----------
    j, expected, variance : float
        Statistic, its mean, and its variance without ties.
    p : float
        Two-sided.
    method : str
        ``exact``, or ``permutation n``.
    """

    j: float
    expected: float
    variance: float
    p: float
    method: str


def jonckheere(groups: Sequence[Floats], seed: int) -> Jonckheere:
    """Test whether values rise with the order of the groups.

    ``J = sum over g < h of #{x < y} + #{x = y} / 2``; its null distribution is the convolution of those of
    the Mann-Whitney counts of each group against all before it. statsmodels offers the normal approximation
    only. With ties the groups are dealt anew, seeded.

    Parameters
    ----------
    groups : sequence of ndarray
        At least two, none empty, lowest first.
    seed : int
        For ties only.
    """
    values = np.concatenate(groups)
    sizes = [group.size for group in groups]
    label = np.repeat(np.arange(len(sizes)), sizes)
    total = values.size
    squares = sum(size * size for size in sizes)
    expected = (total**2 - squares) / 4
    variance = (total**2 * (2 * total + 3) - sum(size * size * (2 * size + 3) for size in sizes)) / 72
    sign = (values[:, None] < values[None, :]) + 0.5 * (values[:, None] == values[None, :])
    j = _statistic(sign, label)
    if np.unique(values).size == total and total <= _EXACT_UP_TO:
        chance = _null(sizes)
        at = round(j)
        tail = min(chance[: at + 1].sum(), chance[at:].sum())
        return Jonckheere(j, expected, variance, min(1.0, 2 * float(tail)), "exact")
    rng = np.random.default_rng(seed)
    dealt = np.array([_statistic(sign, rng.permutation(label)) for _ in range(PERMUTATIONS)])
    tail = min(np.count_nonzero(dealt <= j + 1e-9), np.count_nonzero(dealt >= j - 1e-9))
    p = min(1.0, 2 * (int(tail) + 1) / (PERMUTATIONS + 1))
    return Jonckheere(j, expected, variance, p, f"permutation {PERMUTATIONS}")


def _statistic(sign: Floats, label: NDArray[np.int64]) -> float:
    return float(sign[label[:, None] < label[None, :]].sum())


def _null(sizes: Sequence[int]) -> Floats:
    chance, before = np.ones(1), sizes[0]
    for size in sizes[1:]:
        chance = np.convolve(chance, _mann_whitney_null(before, size))
        before += size
    return chance


def _mann_whitney_null(m: int, n: int) -> Floats:
    """Chance of each Mann-Whitney count: the Gaussian binomial ``prod (1 - q^(m+i)) / (1 - q^i)``."""
    counts = [1]
    for i in range(1, n + 1):
        # whole numbers of any size: floats would lose the small tail
        longer = counts + [0] * (m + i)
        for at in range(len(longer) - 1, m + i - 1, -1):
            longer[at] -= longer[at - m - i]
        for at in range(i, len(longer)):
            longer[at] += longer[at - i]
        counts = longer[: i * m + 1]
    ways = math.comb(m + n, n)
    return np.array([count / ways for count in counts])
