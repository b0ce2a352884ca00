"""One walk over an image, from dark to light, in which nested regions are met, scored and chosen.

A walk starts where no pixel beside is darker. From there the image is flooded from dark to light (Nister and
Stewenius, ECCV 2008), so that the pixels of every region are met in one go and a region is a part of what was
walked. When the region around the walk is too long or too large for a nucleus, so is whatever holds it: the
walk is given up. Pixels that it met and did not reach stay marked: a walk that comes down to the level of one
is within something too large, too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.choosing import choose
from histoquant.objects.ground import (
    AREA,
    AT_LEVEL,
    CLOSED,
    FROM,
    KEPT,
    LEVELS,
    SUMS,
    TO,
    Found,
    Ground,
)
from histoquant.objects.prefetch import prefetch
from histoquant.objects.score_rules import ScoreRules
from histoquant.objects.waiting import FIRST, Waiting, give_up, next_level, put

Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]
Beside = tuple[np.uint8, np.uint8, np.uint8, np.uint8]

# Columns of an open region, after `TO`, which is up to where it is summed: sums, box, what was chosen inside.
_SUM_X, _SUM_Y, _SUM_XX, _SUM_YY, _SUM_XY, _EDGES, _BLOCKED, _STEP = range(AREA + 1, AREA + SUMS)
_MIN_X, _MAX_X, _MIN_Y, _MAX_Y = range(AREA + SUMS, AREA + SUMS + 4)
# A pixel that a walk met and gave up. Where it is a level as well, no walk is given up.
_GIVEN_UP = np.uint8(LEVELS - 1)
# Unsigned, as all places of the walk are: a signed one would be asked at each use whether it is negative.
_NONE, _ONE = np.uint64(0), np.uint64(1)
# More than rounding could take off a sum of steps, thousandths of OD.
_ROUNDING = 1.0
# Bytes that come at once, as many rows ahead as a walk goes down.
_LINE = np.uint64(64)

# None makes arrays, so that nobody counts who holds which; each is made part of its caller. To count and to
# hand over would cost a fifth of the walk.
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)


@_kernel
def walk(ground: Ground, waiting: Waiting, found: Found, rules: ScoreRules) -> int:
    """Choose among the regions of a window.

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
    fetched, ahead = np.uint64(0), np.uint64(rules.length_px * ground.width)
    for k in range(ground.peaks.size):
        peak = np.uint64(ground.peaks[k])
        while fetched < peak + ahead:
            prefetch(ground.unmet, 0, fetched)
            fetched += _LINE
        if _is_unmet(ground.unmet[0, peak], peak, ground):
            _walk(peak, ground, waiting.slots, found, rules)
    return int(choose(found, rules))


@_kernel
def _walk(here: np.uint64, ground: Ground, slots: UInt32Array, found: Found, rules: ScoreRules) -> None:
    """Walk from a pixel until nothing is left, or the region is too large."""
    unmet, width, order, regions = ground.unmet[0], np.uint64(ground.width), found.order, found.regions
    # what no closed region holds is written over
    level, filled = unmet[here], np.uint64(found.counts[KEPT])
    unmet[here] = 0
    top, given_up = _NONE, np.uint8(0)
    _open(regions[0], level, filled)
    # of the level that is walked, in registers
    first = free = slots[FIRST + level]
    while True:
        beside = _beside(unmet, here, width)
        darkest = max(max(beside[0], beside[1]), max(beside[2], beside[3]))
        order[filled] = here
        if darkest < level:
            _wait_beside(ground, here, beside, slots)
        else:
            slots[level] = free
            told = darkest == _GIVEN_UP
            if told:
                darkest, reached = _among_given_up(beside, here, ground)
                if reached >= level:
                    unmet[here] = _GIVEN_UP
                    give_up(level, slots, unmet, _GIVEN_UP)
                    break
                given_up = max(given_up, reached)
            if darkest > level:
                _wait(ground, here, level, slots)
                here, level = _first_of(beside, here, ground, darkest), darkest
                unmet[here] = 0
                top += _ONE
                _open(regions[top], level, filled)
                first, free = slots[FIRST + level], slots[level]
                continue
            if told:
                _wait_among_given_up(ground, here, beside, slots)
            else:
                _wait_beside(ground, here, beside, slots)
            free = slots[level]
        filled += _ONE
        if free == first:
            slots[level] = free
            lower = next_level(level, slots)
            top, fits = _close(top, max(lower, given_up), filled, ground, found, rules)
            if lower <= given_up or not fits:
                give_up(lower, slots, unmet, _GIVEN_UP)
                break
            level, first, free = lower, slots[FIRST + lower], slots[lower]
        free -= np.uint32(1)
        here = np.uint64(slots[free])


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
def _wait_among_given_up(ground: Ground, here: np.uint64, beside: Beside, slots: UInt32Array) -> None:
    """Let those wait that were not met; what was given up stays so."""
    sides = _sides(here, np.uint64(ground.width))
    for side in range(4):
        if _is_unmet(beside[side], sides[side], ground):
            _wait(ground, sides[side], beside[side], slots)


@_kernel
def _wait_beside(ground: Ground, here: np.uint64, beside: Beside, slots: UInt32Array) -> None:
    above, before, after, below = beside
    sides = _sides(here, np.uint64(ground.width))
    # four levels for those that were met, because writing one number four times in a row waits
    _wait_at(ground, sides[0], above, above > 0, slots)
    _wait_at(ground, sides[1], before if before > 0 else LEVELS, before > 0, slots)
    _wait_at(ground, sides[2], after if after > 0 else LEVELS + 1, after > 0, slots)
    _wait_at(ground, sides[3], below if below > 0 else LEVELS + 2, below > 0, slots)


@_kernel
def _wait(ground: Ground, pixel: np.uint64, level: np.uint8, slots: UInt32Array) -> None:
    _wait_at(ground, pixel, level, 1, slots)


@_kernel
def _wait_at(ground: Ground, pixel: np.uint64, level: np.uint64, more: int, slots: UInt32Array) -> None:
    ground.unmet[0, pixel] = 0
    prefetch(ground.words, 0, pixel)
    put(pixel, level, more, slots)


@_kernel
def _close(
    top: np.uint64, level: np.uint8, end: np.uint64, ground: Ground, found: Found, rules: ScoreRules
) -> tuple[np.uint64, bool]:
    """Close regions above a level; the last of them goes on there, alone or within the one around it."""
    regions, fits, lower, filled = found.regions, True, np.int64(level), np.int64(end)
    while regions[top, AT_LEVEL] > lower and fits:
        row = regions[top]
        area = filled - row[FROM]
        fits = area <= rules.most_px
        if fits and area >= rules.least_px:
            _add(found, filled, ground, row)
            fits = max(row[_MAX_X] - row[_MIN_X], row[_MAX_Y] - row[_MIN_Y]) < rules.length_px
            # what is not as steep scores nothing: most regions of a later pass
            if fits and row[_STEP] > rules.edge_min_mod * row[_EDGES] - _ROUNDING:
                _keep(row, found, rules)
        if top > _NONE and regions[top - _ONE, AT_LEVEL] >= lower:
            top -= _ONE
            if row[AREA] > 0:
                _add(found, row[FROM], ground, regions[top])
                _join(regions[top], row)
        else:
            row[AT_LEVEL] = lower
    return top, fits


@_kernel
def _keep(row: Int64Array, found: Found, rules: ScoreRules) -> None:
    """Note a closed region of permitted size, to be scored with many others at once."""
    place = np.uint64(found.counts[CLOSED])
    for column in range(np.uint64(AREA + SUMS)):
        found.closed[column, place] = row[column]
    found.counts[CLOSED] += 1
    found.counts[KEPT] = row[TO]
    if found.counts[CLOSED] == found.closed.shape[1]:
        choose(found, rules)


@_kernel
def _open(row: Int64Array, level: int, filled: int) -> None:
    row[FROM] = row[TO] = filled
    row[AT_LEVEL] = level
    for column in range(AREA, AREA + SUMS):
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
