"""Which of all nested regions are nuclei: those that are worth more than what was chosen inside them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.ground import AREA, AT_LEVEL, CHOSEN, CLOSED, FROM, SCORE, TO, Found
from histoquant.objects.score_rules import ScoreRules

Int64Array = npt.NDArray[np.int64]

# Scores are integers, because sums of them must not depend on the order of summing.
_SCORE_UNIT = 1_000_000.0
# More than what rounding could add.
_SAFELY = 1.0 + 1e-12
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_kernel
def choose(found: Found, rules: ScoreRules) -> int:
    """Score the regions that were closed and take those that are worth it.

    Parameters
    ----------
    found : Found
        Its ``closed`` regions, each after those inside it, are used up; ``chosen`` grows and shrinks.
    rules : ScoreRules

    Returns
    -------
    int
        Regions chosen: as many rows of ``chosen``.
    """
    closed, chosen, scores, counts = found.closed, found.chosen, found.scores, found.counts
    _score(closed[AREA:], rules, scores[: counts[CLOSED]])
    count = counts[CHOSEN]
    for k in range(counts[CLOSED]):
        first, end = closed[FROM, k], closed[TO, k]
        worth = covered = 0
        outside = count
        while outside > 0 and chosen[outside - 1, FROM] >= first:
            outside -= 1
            worth += chosen[outside, SCORE]
            covered += chosen[outside, TO] - chosen[outside, FROM]
        if scores[k] > 0 and _is_worth(scores[k], end - first, worth, covered, rules):
            chosen[outside, FROM], chosen[outside, TO] = first, end
            chosen[outside, AT_LEVEL], chosen[outside, SCORE] = closed[AT_LEVEL, k], scores[k]
            count = outside + 1
    counts[CHOSEN], counts[CLOSED] = count, 0
    return int(count)


@_kernel
def _is_worth(score: int, area: int, inside: int, covered: int, rules: ScoreRules) -> bool:
    """Whether a region is worth at least what was chosen inside it, with the credit for lost area."""
    if covered == 0:
        return True
    grown = area / covered
    if 0.0 <= rules.regrowth <= 1.0:
        # the credit lies between these (Bernoulli's inequality), the score seldom does: powers are slow
        if score < inside:
            return False
        if score >= _SAFELY * inside * (1.0 + rules.regrowth * (grown - 1.0)):
            return True
    return bool(score >= inside * math.pow(grown, rules.regrowth))


@_kernel
def _score(sums: Int64Array, rules: ScoreRules, out: Int64Array) -> None:
    """Nothing is left out, so that compilers make vectors of it."""
    for k in range(out.size):
        out[k] = _score_of(
            (sums[0, k], sums[1, k], sums[2, k], sums[3, k], sums[4, k], sums[5, k]),
            (sums[6, k], sums[7, k], sums[8, k]),
            rules,
        )


@_kernel
def score_of(row: Int64Array, rules: ScoreRules) -> int:
    """How well a region of permitted size would do as one nucleus.

    ``score = area * roundness^2 * edge``: roundness is how far the share of its ellipse of inertia that
    the region fills, ``A / (4 pi sqrt(det C))``, exceeds the least share; two touching discs fill 0.89.
    Edge saturates with the mean step of darkness across the boundary.

    Parameters
    ----------
    row : ndarray of int64, shape (9,)
        Area, sums of x, y, xx, yy, xy; free edges, edges to blocked pixels, summed step over the free ones.
    rules : ScoreRules

    Returns
    -------
    int
        Millionths of um2; 0 for what cannot be a nucleus.
    """
    moments = row[0], row[1], row[2], row[3], row[4], row[5]
    return int(_score_of(moments, (row[6], row[7], row[8]), rules))


@njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
def _score_of(
    moments: tuple[int, int, int, int, int, int], boundary: tuple[int, int, int], rules: ScoreRules
) -> int:
    n, sum_x, sum_y, sum_xx, sum_yy, sum_xy = moments
    edges, blocked, steps = boundary
    step = steps / edges
    # 1/12 is the variance of a pixel's own square
    vx = (n * sum_xx - sum_x * sum_x) / (n * n) + 1.0 / 12.0
    vy = (n * sum_yy - sum_y * sum_y) / (n * n) + 1.0 / 12.0
    vxy = (n * sum_xy - sum_x * sum_y) / (n * n)
    det = vx * vy - vxy * vxy
    fill = n / (4.0 * math.pi * math.sqrt(det))
    half = 0.5 * (vx + vy)
    spread = math.sqrt(max(0.0, half * half - det))
    ratio = math.sqrt(max(0.0, half - spread) / (half + spread))
    roundness = min(1.0, (fill - rules.ellipse_min) / (1.0 - rules.ellipse_min))
    edge = (step - rules.edge_min_mod) / (step - rules.edge_min_mod + rules.edge_half_mod)
    score = n * rules.px_um2 * roundness * roundness * edge * min(1.0, ratio / rules.slender)
    free = (edges > rules.free_min * (edges + blocked)) & (step > rules.edge_min_mod)
    return (
        int(_SCORE_UNIT * score) if free & (fill > rules.ellipse_min) & (score >= rules.score_min_um2) else 0
    )
