"""One walk over an image, from dark to light, in which nested regions are met, scored and chosen.

A walk starts where no pixel beside is darker. From there the image is flooded from dark to light (Nister and
Stewenius, ECCV 2008), so that the pixels of every region are met in one go and a region is a part of what was
walked. When the region around the walk is too long or too large for a nucleus, so is whatever holds it: the
walk is given up. Pixels that it met and did not reach stay marked: a walk that comes down to the level of one
is within something too large, too.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.ground import AREA, AT_LEVEL, FROM, LEVELS, SUMS, TO, Found, Ground, Waiting
from histoquant.objects.prefetch import prefetch
from histoquant.objects.score_rules import ScoreRules

Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
Beside = tuple[np.uint8, np.uint8, np.uint8, np.uint8]

# Columns of an open region, after `TO`, which is up to where it is summed: sums, box, what was chosen inside.
_SUM_X, _SUM_Y, _SUM_XX, _SUM_YY, _SUM_XY, _EDGES, _BLOCKED, _STEP = range(AREA + 1, AREA + SUMS)
_MIN_X, _MAX_X, _MIN_Y, _MAX_Y, _INSIDE, _COVERED = range(AREA + SUMS, AREA + SUMS + 6)
# A pixel that a walk met and gave up. Where it is a level as well, no walk is given up.
_GIVEN_UP = np.uint8(LEVELS - 1)
# Scores are integers, because sums of them must not depend on the order of summing.
_SCORE_UNIT = 1_000_000.0
# Unsigned, as all places of the walk are: a signed one would be asked at each use whether it is negative.
_ONE = np.uint64(1)
# Bytes that come at once, as many rows ahead as a walk goes down.
_LINE = np.uint64(64)

# None makes arrays, so that nobody counts who holds which; each is made part of its caller. To count and to
# hand over would cost a fifth of the walk.
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)


@_kernel
def walk(ground: Ground, waiting: Waiting, found: Found, rules: ScoreRules) -> int:
    """Choose the regions that are worth more than what was chosen inside them.

    Parameters
    ----------
    ground : Ground
        Its ``unmet`` is used up.
    waiting : Waiting
    found : Found
        Its ``order`` and ``chosen`` are filled.
    rules : ScoreRules

    Returns
    -------
    int
        Regions chosen: as many rows of ``chosen``.
    """
    fetched, ahead, count = np.uint64(0), np.uint64(rules.length_px * ground.width), 0
    for k in range(ground.peaks.size):
        peak = np.uint64(ground.peaks[k])
        while fetched < peak + ahead:
            prefetch(ground.unmet, 0, fetched)
            fetched += _LINE
        if _is_unmet(ground.unmet[0, peak], peak, ground):
            count = _walk(peak, ground, waiting, found, count, rules)
    return count


@_kernel
def _walk(
    here: np.uint64, ground: Ground, waiting: Waiting, found: Found, count: int, rules: ScoreRules
) -> int:
    """Walk from a pixel until nothing is left, or the region is too large; regions chosen until then."""
    unmet, width, order, regions = ground.unmet[0], np.uint64(ground.width), found.order, found.regions
    level, filled = unmet[here], np.uint64(found.chosen[count - 1, TO] if count > 0 else 0)
    unmet[here] = 0
    top, given_up = 0, np.uint8(0)
    _open(regions[0], level, filled)
    # of the level that is walked, in a register
    first = free = waiting.first[level]
    while True:
        beside = _beside(unmet, here, width)
        darkest = max(max(beside[0], beside[1]), max(beside[2], beside[3]))
        told = darkest == _GIVEN_UP
        if darkest >= level:
            waiting.free[level] = free
            if told:
                darkest, reached = _among_given_up(beside, here, ground)
                if reached >= level:
                    unmet[here] = _GIVEN_UP
                    _give_up(level, unmet, waiting)
                    break
                given_up = max(given_up, reached)
            if darkest > level:
                _wait(ground, here, np.uint64(level), 1, waiting)
                here, level = _first_of(beside, here, ground, darkest), darkest
                unmet[here] = 0
                top += 1
                _open(regions[top], level, filled)
                first, free = waiting.first[level], waiting.free[level]
                continue
        if told:
            _wait_among_given_up(ground, here, beside, waiting)
        else:
            _wait_beside(ground, here, beside, waiting)
        order[filled] = here
        filled += _ONE
        if darkest == level:
            free = waiting.free[level]
        if free == first:
            waiting.free[level] = free
            lower = _next_level(level, waiting)
            top, count, fits = _close(top, max(lower, given_up), filled, ground, found, count, rules)
            if lower <= given_up or not fits:
                _give_up(lower, unmet, waiting)
                break
            level, first, free = lower, waiting.first[lower], waiting.free[lower]
        free -= _ONE
        here = np.uint64(waiting.pixels[free])
    return count


@_kernel
def _beside(unmet: UInt8Array, here: np.uint64, width: np.uint64) -> Beside:
    """Levels above, before, after and below a pixel, 0 where met already."""
    return unmet[here - width], unmet[here - _ONE], unmet[here + _ONE], unmet[here + width]


@_kernel
def _sides(here: np.uint64, width: np.uint64) -> tuple[np.uint64, ...]:
    return here - width, here - _ONE, here + _ONE, here + width


@_kernel
def _among_given_up(beside: Beside, here: np.uint64, ground: Ground) -> tuple[np.uint8, np.uint8]:
    """Levels of the darkest pixel beside that was not met, and of the darkest that a walk gave up."""
    sides = _sides(here, np.uint64(ground.width))
    darkest = given_up = np.uint8(0)
    for side in range(4):
        if _is_unmet(beside[side], sides[side], ground):
            darkest = max(darkest, beside[side])
        elif beside[side] > 0:
            given_up = max(given_up, ground.levels[0, sides[side]])
    return darkest, given_up


@_kernel
def _first_of(beside: Beside, here: np.uint64, ground: Ground, level: np.uint8) -> np.uint64:
    """The first pixel beside that has this level and was not met."""
    sides: tuple[np.uint64, ...] = _sides(here, np.uint64(ground.width))
    for side in range(3):
        if beside[side] == level and _is_unmet(level, sides[side], ground):
            return sides[side]
    return sides[3]


@_kernel
def _is_unmet(seen: np.uint8, pixel: np.uint64, ground: Ground) -> bool:
    """Whether a walk has a level to find; asks the levels, which are far away, only where it must."""
    return bool(seen > 0 and (seen < _GIVEN_UP or ground.levels[0, pixel] == _GIVEN_UP))


@_kernel
def _wait_among_given_up(ground: Ground, here: np.uint64, beside: Beside, waiting: Waiting) -> None:
    """Let those wait that were not met; what was given up stays so."""
    sides = _sides(here, np.uint64(ground.width))
    for side in range(4):
        if _is_unmet(beside[side], sides[side], ground):
            _wait(ground, sides[side], beside[side], 1, waiting)


@_kernel
def _wait_beside(ground: Ground, here: np.uint64, beside: Beside, waiting: Waiting) -> None:
    above, before, after, below = beside
    sides = _sides(here, np.uint64(ground.width))
    # four places for those that were met, because writing one number four times in a row waits
    _wait(ground, sides[0], above if above > 0 else LEVELS, above > 0, waiting)
    _wait(ground, sides[1], before if before > 0 else LEVELS + 1, before > 0, waiting)
    _wait(ground, sides[2], after if after > 0 else LEVELS + 2, after > 0, waiting)
    _wait(ground, sides[3], below if below > 0 else LEVELS + 3, below > 0, waiting)


@_kernel
def _wait(ground: Ground, pixel: np.uint64, level: np.uint64, more: int, waiting: Waiting) -> None:
    ground.unmet[0, pixel] = 0
    prefetch(ground.words, 0, pixel)
    place = waiting.free[np.uint64(level)]
    waiting.pixels[place] = pixel
    waiting.free[np.uint64(level)] = place + np.uint64(more)


@_kernel
def _next_level(level: np.uint8, waiting: Waiting) -> np.uint8:
    """The highest level at which a pixel waits, this one or lower; 0 for none."""
    while level > 0 and waiting.free[level] == waiting.first[level]:
        level -= np.uint8(1)
    return level


@_kernel
def _give_up(level: np.uint8, unmet: UInt8Array, waiting: Waiting) -> None:
    """Mark what waits at a level and below, and let it wait no longer."""
    for lower in range(np.uint64(1), np.uint64(level) + _ONE):
        for place in range(waiting.first[lower], waiting.free[lower]):
            unmet[waiting.pixels[place]] = _GIVEN_UP
        waiting.free[lower] = waiting.first[lower]


@_kernel
def _close(
    top: int, lower: int, filled: int, ground: Ground, found: Found, count: int, rules: ScoreRules
) -> tuple[int, int, bool]:
    """Close regions above a level; the last of them goes on there, alone or within the one around it."""
    chosen, regions, fits = found.chosen, found.regions, True
    while regions[top, AT_LEVEL] > lower and fits:
        row = regions[top]
        area = np.int64(filled) - row[FROM]
        fits = area <= rules.most_px
        if fits and area >= rules.least_px:
            _add(found, filled, ground, row)
            fits = max(row[_MAX_X] - row[_MIN_X], row[_MAX_Y] - row[_MIN_Y]) < rules.length_px
            if fits and _take(row, rules):
                while count > 0 and chosen[count - 1, FROM] >= row[FROM]:
                    count -= 1
                for column in range(FROM, AREA):
                    chosen[count, column] = row[column]
                count += 1
        if top > 0 and regions[top - 1, AT_LEVEL] >= lower:
            top -= 1
            if row[AREA] > 0:
                _add(found, row[FROM], ground, regions[top])
                _join(regions[top], row)
        else:
            row[AT_LEVEL] = lower
    return top, count, fits


@_kernel
def _open(row: Int64Array, level: int, filled: int) -> None:
    row[FROM] = row[TO] = filled
    row[AT_LEVEL] = level
    for column in range(AREA, _COVERED + 1):
        row[column] = 0
    row[_MIN_X] = row[_MIN_Y] = 1 << 30
    row[_MAX_X] = row[_MAX_Y] = -1


@_kernel
def _add(found: Found, end: int, ground: Ground, row: Int64Array) -> None:
    """Add pixels up to a place to the sums and the box of a region."""
    sum_x = sum_y = sum_xx = sum_yy = sum_xy = edges = blocked = step = np.int64(0)
    min_x, max_x, min_y, max_y = row[_MIN_X], row[_MAX_X], row[_MIN_Y], row[_MAX_Y]
    # exact for whole numbers of 31 bits, and faster than to divide
    words, rows = ground.words[0], 1.0 / ground.width
    for t in range(np.uint64(row[TO]), np.uint64(end)):
        pixel = found.order[t]
        y, word = np.int64((pixel + 0.5) * rows), np.int64(words[pixel])
        x = np.int64(pixel) - y * ground.width
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
    row[AREA] += np.int64(end) - row[TO]
    row[TO] = end
    row[_SUM_X] += sum_x
    row[_SUM_Y] += sum_y
    row[_SUM_XX] += sum_xx
    row[_SUM_YY] += sum_yy
    row[_SUM_XY] += sum_xy
    row[_EDGES] += edges
    row[_BLOCKED] += blocked
    row[_STEP] += step
    row[_MIN_X], row[_MAX_X], row[_MIN_Y], row[_MAX_Y] = min_x, max_x, min_y, max_y


@_kernel
def _join(row: Int64Array, inner: Int64Array) -> None:
    for column in range(AREA, AREA + SUMS):
        row[column] += inner[column]
    row[TO] = inner[TO]
    row[_MIN_X], row[_MAX_X] = min(row[_MIN_X], inner[_MIN_X]), max(row[_MAX_X], inner[_MAX_X])
    row[_MIN_Y], row[_MAX_Y] = min(row[_MIN_Y], inner[_MIN_Y]), max(row[_MAX_Y], inner[_MAX_Y])
    row[_INSIDE] += inner[_INSIDE]
    row[_COVERED] += inner[_COVERED]


@_kernel
def _take(row: Int64Array, rules: ScoreRules) -> bool:
    """Whether a region of permitted size is worth more than what was taken inside it; credits it if so."""
    score = score_of(row[AREA : AREA + SUMS], rules)
    if score == 0:
        return False
    credit = 1.0
    if row[_COVERED] > 0:
        credit = math.pow(row[AREA] / row[_COVERED], rules.regrowth)
    if score < row[_INSIDE] * credit:
        return False
    row[_INSIDE], row[_COVERED] = score, row[AREA]
    return True


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
