"""How well a region of the image would do as one nucleus, and which of nested regions do best together."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.nuclei_params import NucleiParams

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt32Array = npt.NDArray[np.uint32]

# Columns of a region: where it begins and ends among all pixels; sums over its pixels; its box; score and
# area of what was chosen inside it.
FROM, TO, AREA, SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY, EDGES, BLOCKED, STEP = range(11)
_MIN_X, _MAX_X, _MIN_Y, _MAX_Y, _INSIDE, _COVERED = range(11, 17)
_COLUMNS = 17
_FAR = 1 << 30
# Scores are integers, because sums of them must not depend on the order of summing.
_SCORE_UNIT = 1_000_000.0
_MOD = 1000.0


class ScoreRules(NamedTuple):
    """What `score_of` needs to know, as plain numbers.

    Attributes
    ----------
    px_um2 : float
        Area of a pixel.
    least_um2, most_um2 : float
    length_px : int
        Longest side of the bounding box.
    ellipse_min, slender, free_min : float
    edge_min_mod, edge_half_mod : float
        Thousandths of OD.
    score_min_um2, regrowth : float
    """

    px_um2: float
    least_um2: float
    most_um2: float
    length_px: int
    ellipse_min: float
    edge_min_mod: float
    edge_half_mod: float
    slender: float
    free_min: float
    score_min_um2: float
    regrowth: float

    @classmethod
    def of(cls, params: NucleiParams, mpp: float) -> ScoreRules:
        """Rules at a resolution in um per pixel."""
        return cls(
            mpp * mpp,
            params.area_min_um2,
            params.area_max_um2,
            params.length_max_px(mpp),
            params.ellipse_min,
            params.edge_min_od * _MOD,
            params.edge_half_od * _MOD,
            params.slender,
            params.free_min,
            params.score_min_um2,
            params.regrowth,
        )


@njit(cache=True, nogil=True)
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
    n, sum_x, sum_y, sum_xx, sum_yy, sum_xy, edges, blocked, steps = row
    if edges <= rules.free_min * (edges + blocked):
        return 0
    step = steps / edges
    if step <= rules.edge_min_mod:
        return 0
    # 1/12 is the variance of a pixel's own square
    vx = (n * sum_xx - sum_x * sum_x) / (n * n) + 1.0 / 12.0
    vy = (n * sum_yy - sum_y * sum_y) / (n * n) + 1.0 / 12.0
    vxy = (n * sum_xy - sum_x * sum_y) / (n * n)
    det = vx * vy - vxy * vxy
    fill = n / (4.0 * math.pi * math.sqrt(det))
    if fill <= rules.ellipse_min:
        return 0
    half = 0.5 * (vx + vy)
    spread = math.sqrt(max(0.0, half * half - det))
    ratio = math.sqrt(max(0.0, half - spread) / (half + spread))
    roundness = min(1.0, (fill - rules.ellipse_min) / (1.0 - rules.ellipse_min))
    edge = (step - rules.edge_min_mod) / (step - rules.edge_min_mod + rules.edge_half_mod)
    score = n * rules.px_um2 * roundness * roundness * edge * min(1.0, ratio / rules.slender)
    return int(_SCORE_UNIT * score) if score >= rules.score_min_um2 else 0


@njit(cache=True, nogil=True)
def choose_regions(
    order: UInt32Array, regions: Int32Array, words: Int32Array, rules: ScoreRules
) -> Int64Array:
    """Regions that are worth more than what was chosen inside them.

    Parameters
    ----------
    order : ndarray of uint32, shape (n,)
        Pixels of ``words``, counted along its rows; those of a region one after the other.
    regions : ndarray of int32, shape (m, 3)
        First pixel in ``order``, one past the last, and level; inner ones before those around them.
    words : ndarray of int32, shape (h, w)
        What each pixel adds to the boundary, from `edge_words`.
    rules : ScoreRules

    Returns
    -------
    ndarray of int64, shape (k, 3)
        Disjoint rows of ``regions``.
    """
    edge = words.ravel()
    # apart from the sums, so that one pixel need not be there before the next is asked for
    held = np.empty(order.size, np.int32)
    for t in range(order.size):
        held[t] = edge[order[t]]
    closed = np.empty((regions.shape[0] + 1, _COLUMNS), np.int64)
    chosen = np.empty((regions.shape[0], 3), np.int64)
    count = top = 0
    for k in range(regions.shape[0]):
        top = _gather(order, held, words.shape[1], regions[k], closed, top)
        if _take(closed[top], rules):
            while count > 0 and chosen[count - 1, FROM] >= regions[k, FROM]:
                count -= 1
            chosen[count] = regions[k]
            count += 1
        top += 1
    return chosen[:count]


@njit(cache=True, nogil=True)
def _gather(
    order: UInt32Array, held: Int32Array, stride: int, region: Int32Array, closed: Int64Array, top: int
) -> int:
    """Sum a region from those inside it, the last on the stack, and the pixels between; its place there."""
    start, end = np.int64(region[FROM]), np.int64(region[TO])
    inner = top
    while inner > 0 and closed[inner - 1, FROM] >= start:
        inner -= 1
    row = closed[inner]
    if inner == top:
        row[:] = 0
        row[_MIN_X] = row[_MIN_Y] = _FAR
        row[_MAX_X] = row[_MAX_Y] = -1
        _add(order[start:end], held[start:end], stride, row)
    else:
        _add(order[start : row[FROM]], held[start : row[FROM]], stride, row)
        for k in range(inner + 1, top):
            _add(order[row[TO] : closed[k, FROM]], held[row[TO] : closed[k, FROM]], stride, row)
            _join(row, closed[k])
        _add(order[row[TO] : end], held[row[TO] : end], stride, row)
    row[FROM], row[TO] = start, end
    return inner


@njit(cache=True, nogil=True)
def _add(order: UInt32Array, held: Int32Array, stride: int, row: Int64Array) -> None:
    """Add pixels to the sums and the box of a region."""
    sum_x = sum_y = sum_xx = sum_yy = sum_xy = edges = blocked = step = np.int64(0)
    min_x, max_x, min_y, max_y = row[_MIN_X], row[_MAX_X], row[_MIN_Y], row[_MAX_Y]
    # exact for whole numbers of 31 bits, and faster than to divide
    rows = 1.0 / stride
    for t in range(order.size):
        y = np.int64((order[t] + 0.5) * rows)
        x, word = np.int64(order[t]) - y * stride, np.int64(held[t])
        sum_x += x
        sum_y += y
        sum_xx += x * x
        sum_yy += y * y
        sum_xy += x * y
        edges += (word & 15) - 8
        blocked += (word >> 4) & 15
        step += word >> 8
        min_x, max_x = min(min_x, x), max(max_x, x)
        min_y, max_y = min(min_y, y), max(max_y, y)
    row[AREA] += order.size
    row[SUM_X] += sum_x
    row[SUM_Y] += sum_y
    row[SUM_XX] += sum_xx
    row[SUM_YY] += sum_yy
    row[SUM_XY] += sum_xy
    row[EDGES] += edges
    row[BLOCKED] += blocked
    row[STEP] += step
    row[_MIN_X], row[_MAX_X], row[_MIN_Y], row[_MAX_Y] = min_x, max_x, min_y, max_y


@njit(cache=True, nogil=True)
def _join(row: Int64Array, other: Int64Array) -> None:
    for column in range(AREA, STEP + 1):
        row[column] += other[column]
    row[_MIN_X], row[_MAX_X] = min(row[_MIN_X], other[_MIN_X]), max(row[_MAX_X], other[_MAX_X])
    row[_MIN_Y], row[_MAX_Y] = min(row[_MIN_Y], other[_MIN_Y]), max(row[_MAX_Y], other[_MAX_Y])
    row[_INSIDE] += other[_INSIDE]
    row[_COVERED] += other[_COVERED]
    row[TO] = other[TO]


@njit(cache=True, nogil=True)
def _take(row: Int64Array, rules: ScoreRules) -> bool:
    """Whether a region of permitted area is worth more than what was taken inside it; credits it if so."""
    if max(row[_MAX_X] - row[_MIN_X], row[_MAX_Y] - row[_MIN_Y]) >= rules.length_px:
        return False
    score = score_of(row[AREA : STEP + 1], rules)
    if score == 0:
        return False
    credit = 1.0
    if row[_COVERED] > 0:
        credit = math.pow(row[AREA] / row[_COVERED], rules.regrowth)
    if score < row[_INSIDE] * credit:
        return False
    row[_INSIDE], row[_COVERED] = score, row[AREA]
    return True
