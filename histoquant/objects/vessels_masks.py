"""Masks of one vessel in its own crop, found on rows of bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.bit_rows import (
    Bits,
    chosen,
    count_bits,
    dilated,
    eroded,
    grown,
    half_width,
    inverted,
    packed,
    regions,
    spans_of,
)
from histoquant.objects.label_runs import add_run
from histoquant.objects.marks import WORD
from histoquant.objects.vessels_glass import LEVELS_MOD
from histoquant.objects.vessels_params import SMOOTHING_RADIUS_PX
from histoquant.objects.vessels_patch import Patch

Mask = NDArray[np.uint8]
Plane = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

FRINGE_STEPS = 3
"""Blur is at most this many pixels wide on either side of a wall."""


class Rules(NamedTuple):
    """`VesselParams` in pixels and thousandths of optical density, as far as they shape one vessel."""

    edge_px: int
    close_px: int
    wide_px: int
    largest_px: int
    least_px: int
    pale_share: float
    pale_hematoxylin_mod: int
    pale_total_mod: int
    body_px: int
    body_edge_px: int
    body_um2: float
    pixel_um2: float


@njit(cache=True, nogil=True)
def _raise(to: Plane, source: Plane, shift: int) -> None:
    """Raise each value to those so many places before and after it."""
    count = np.uint64(to.size - shift)
    after, source_after = to[shift:], source[shift:]
    for i in range(np.uint64(0), count):
        after[i] = max(after[i], source[i])
    for i in range(np.uint64(0), count):
        to[i] = max(to[i], source_after[i])


@njit(cache=True, nogil=True)
def _peaks(smooth: Plane, stained: Mask, radius: int) -> Plane:
    """Highest stain within a disc of each stained pixel, at least 0; other pixels hold anything.

    The margin is as wide as the disc, so that what is moved out of a row meets no stain in the next one.
    """
    held, mask = np.empty(stained.size, np.int16), stained.ravel()
    values = smooth.ravel()
    for i in range(held.size):
        held[i] = values[i] if mask[i] else 0
    wide, peaks = held.copy(), np.zeros_like(held)
    for half in range(radius + 1):
        if half > 0:
            _raise(wide, held, half)
        for dy in range(radius + 1):
            if half_width(radius, dy) == half:
                _raise(peaks, wide, dy * stained.shape[1])
    return peaks.reshape(stained.shape)


@njit(cache=True, nogil=True)
def _fringe(patch: Patch, stained: Bits, levels: Int32, radius: int) -> Bits:
    """Stained pixels too weak beside their own wall's peak: blur of the wall, not wall."""
    peaks, dab = _peaks(patch.planes[0], patch.stained, radius), patch.planes[1]
    weak = np.zeros_like(patch.stained)
    rows, spans = spans_of(stained)
    for y in range(weak.shape[0]):
        for i in range(rows[y], rows[y + 1]):
            for x in range(spans[i, 0], spans[i, 1]):
                weak[y, x] = dab[y, x] < levels[peaks[y, x]]
    out: Bits = packed(weak)
    return out


@njit(cache=True, nogil=True)
def _pale(patch: Patch, rules: Rules) -> Bits:
    """Pixels that let light through."""
    hematoxylin, total = patch.planes[2].ravel(), patch.planes[3].ravel()
    blue_mod, total_mod = np.int32(rules.pale_hematoxylin_mod), np.int32(rules.pale_total_mod)
    pale = np.empty_like(patch.stained)
    to = pale.ravel()
    for i in range(to.size):
        to[i] = (np.int32(hematoxylin[i]) < blue_mod) & (np.int32(total[i]) < total_mod)
    out: Bits = packed(pale)
    return out


@njit(cache=True, nogil=True)
def _enclosed(layer: Bits, width: int, largest_px: int) -> Bits:
    """Holes that are not larger than a lumen; the layer has an empty rim."""
    found = regions(inverted(layer, width), layer, 0)
    keep = found.area_px <= largest_px
    keep[0] = False
    out: Bits = chosen(found, keep, layer.shape[1])
    return out


@njit(cache=True, nogil=True)
def _lumens(enclosed: Bits, pale: Bits, rules: Rules) -> Bits:
    """Enclosed regions with enough pale pixels, in number and in share."""
    found = regions(enclosed, pale, 0)
    keep = np.empty(found.area_px.size, np.bool_)
    for i in range(keep.size):
        bright = found.marked_px[i]
        keep[i] = bright >= rules.least_px and bright >= rules.pale_share * found.area_px[i]
    out: Bits = chosen(found, keep, pale.shape[1])
    return out


@njit(cache=True, nogil=True)
def _holding(mask: Bits, marks: Bits) -> Bits:
    """Those 4-connected regions that hold at least one mark."""
    found = regions(mask, marks, 0)
    out: Bits = chosen(found, found.marked_px > 0, mask.shape[1])
    return out


@njit(cache=True, nogil=True)
def _close_and_fill(bridged: Bits, solid: Bits, pale: Bits, width: int, rules: Rules) -> tuple[Bits, Bits]:
    """Object with gaps closed and enclosed areas filled, and its lumens.

    Lumens are sought in the wall as it is, in the wall without its blurred fringe (a narrow slit), and
    in the wall with its gaps closed; wide gaps are closed only if that is what encloses a lumen.
    """
    closed = eroded(dilated(bridged, width, rules.close_px), width, rules.close_px)
    enclosed = _enclosed(bridged, width, rules.largest_px) | _enclosed(solid, width, rules.largest_px)
    enclosed |= _enclosed(closed, width, rules.largest_px)
    lumen = _lumens(enclosed & ~solid, pale, rules)
    if lumen.any():
        return closed | enclosed, lumen
    wide = eroded(dilated(bridged, width, rules.wide_px), width, rules.wide_px)
    hole = _enclosed(wide, width, rules.largest_px)
    # a wide closing fills much of what it encloses: all that is not wall belongs to the lumen
    lumen = _lumens(_holding((wide | hole) & ~bridged, hole), pale, rules)
    if lumen.any():
        return wide | hole, lumen
    return closed | enclosed, lumen


@njit(cache=True, nogil=True)
def _bulk(stained: Bits, width: int, rules: Rules) -> Bits:
    """Stain in which a disc of a cell body's radius fits (opening)."""
    out: Bits = eroded(stained, width, rules.body_px)
    # walls are too thin, as a rule
    return dilated(out, width, rules.body_px) if out.any() else out


@njit(cache=True, nogil=True)
def _leaning_cells(stained: Bits, width: int, rules: Rules) -> Bits:
    """Cell bodies that touch a wall, with their edges."""
    found = regions(_bulk(stained, width, rules), stained, 1)
    keep = found.area_px * rules.pixel_um2 >= rules.body_um2
    out: Bits = grown(chosen(found, keep, stained.shape[1]), stained, rules.body_edge_px)
    return out


@njit(cache=True, nogil=True)
def find_masks(patch: Patch, levels: Int32, rules: Rules) -> tuple[Bits, Bits, Int64, Int64]:
    """Outer area and lumen of a vessel, and what is counted in it.

    Parameters
    ----------
    patch : Patch
        What is seen of the vessel.
    levels : ndarray of int32, shape (32768,)
        Level at which a wall ends, for each peak.
    rules : Rules
        Sizes and levels.

    Returns
    -------
    outer, lumen : ndarray of uint64, shape (h, words)
        Rows of bits.
    counts : ndarray of int64, shape (5,)
        Pixels of wall, lumen, bulk and clear lumen; sum of DAB over the wall.
    moments : ndarray of int64, shape (10,)
        Fields of `vessels_shape.Shape` of the outer area.
    """
    width = patch.stained.shape[1]
    stained, bridged, clear = packed(patch.stained), packed(patch.bridged), packed(patch.clear)
    fringe = _fringe(patch, stained, levels, rules.edge_px)
    solid = bridged & ~fringe
    filled, lumen = _close_and_fill(bridged, solid, _pale(patch, rules), width, rules)
    if clear.any():
        # smoothing took a rim off the glass
        clear = grown(clear, inverted(solid, width), SMOOTHING_RADIUS_PX)
        filled, lumen = filled | clear, lumen | clear
    lumen = lumen | grown(lumen, fringe, FRINGE_STEPS)
    outside = grown(inverted(filled, width), fringe & ~lumen, FRINGE_STEPS)
    wall, outer = stained & ~(lumen | outside), filled & ~outside
    bulk_px = 0
    if lumen.any():
        outer = _holding(outer & ~_leaning_cells(wall, width, rules), lumen)
        wall = wall & outer
    else:
        bulk_px = count_bits(_bulk(outer, width, rules))
    clear_px, wall_mod = _clear_px(patch.planes[4], lumen), _sum_over(patch.planes[1], wall)
    counts = np.array([count_bits(wall), count_bits(lumen), bulk_px, clear_px, wall_mod], np.int64)
    return outer, lumen, counts, _moments(outer)


@njit(cache=True, nogil=True)
def _clear_px(clear: Plane, lumen: Bits) -> int:
    """Pixels of a lumen that are as clear as glass."""
    count = 0
    rows, spans = spans_of(lumen)
    for y in range(lumen.shape[0]):
        for i in range(rows[y], rows[y + 1]):
            for x in range(spans[i, 0], spans[i, 1]):
                count += clear[y, x] < LEVELS_MOD[0]
    return count


@njit(cache=True, nogil=True)
def _sum_over(plane: Plane, mask: Bits) -> int:
    total = 0
    rows, spans = spans_of(mask)
    for y in range(mask.shape[0]):
        for i in range(rows[y], rows[y + 1]):
            for x in range(spans[i, 0], spans[i, 1]):
                total += plane[y, x]
    return total


@njit(cache=True, nogil=True)
def _moments(mask: Bits) -> Int64:
    """Fields of `vessels_shape.Shape`."""
    rows, spans = spans_of(mask)
    out = np.zeros(10, np.int64)
    top, left, bottom, right = mask.shape[0], mask.shape[1] * WORD, 0, 0
    for y in range(mask.shape[0]):
        for i in range(rows[y], rows[y + 1]):
            begin, end = int(spans[i, 0]), int(spans[i, 1])
            top, left, bottom, right = min(top, y), min(left, begin), y + 1, max(right, end)
            add_run(y, begin, end, out)
    out[6], out[7], out[8], out[9] = top, left, bottom, right
    return out
