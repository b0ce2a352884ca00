"""Counts of how much of both stains the pixels of a slide hold, and nuclei at their darkest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

Int64Array = npt.NDArray[np.int64]

LEVELS: Final = 4001  # one per thousandth of OD, from 0
BELOW: Final = 500  # background may lie this many thousandths under 0

_BOX_UM = 1.0  # half the side of the mean: as wide as the detail that the nucleus search smooths away
_PEAK_UM = 2.0  # a nucleus has one darkest place within this
_WORKING_BOX_PX = 2  # of the mean at 0.5 um/px

# A nucleus is blue where its DAB is less than half of its haematoxylin; stain is brown from 0.6 of it on.
_BLUE_SHARE_PERCENT = 50
_BROWN_SHARE_PERCENT = 60
_LOWER = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class StrengthHistogram:
    """Counts by thousandths of OD; integers, so the order of blocks does not matter.

    Attributes
    ----------
    hematoxylin, dab : ndarray of int64, shape (4501,)
        All sampled tissue pixels, the first bin at -0.5 OD.
    peaks : ndarray of int64, shape (4501,)
        Haematoxylin at the darkest place of each blue nucleus.
    brown : ndarray of int64, shape (4501,)
        DAB of pixels with the hue of DAB.
    """

    hematoxylin: Int64Array
    dab: Int64Array
    peaks: Int64Array
    brown: Int64Array

    @classmethod
    def empty(cls) -> StrengthHistogram:
        """Histogram of nothing yet."""
        return cls(*(np.zeros(BELOW + LEVELS, np.int64) for _ in range(4)))

    def add(
        self, stains: npt.NDArray[np.int16], mask: npt.NDArray[np.bool_], mpp: float
    ) -> StrengthHistogram:
        """Histogram with one more window.

        Parameters
        ----------
        stains : ndarray of int16, shape (2, h, w)
            Haematoxylin and DAB in mOD, with surroundings.
        mask : ndarray of bool, shape (h, w)
            Pixels that count.
        mpp : float
            Micrometres per pixel.
        """
        counts = np.stack([self.hematoxylin, self.dab, self.peaks, self.brown])
        add_window(stains, mask, mpp, counts)
        return StrengthHistogram(*counts)


def add_window(
    stains: npt.NDArray[np.int16],
    mask: npt.NDArray[np.bool_],
    mpp: float,
    counts: Int64Array,
    means: npt.NDArray[np.int16] | None = None,
) -> None:
    """Add a window to four histograms.

    Parameters
    ----------
    stains : ndarray of int16, shape (2, h, w)
        Haematoxylin and DAB in mOD, with surroundings.
    mask : ndarray of bool, shape (h, w)
        Pixels that count.
    mpp : float
        Micrometres per pixel.
    counts : ndarray of int64, shape (4, 4501)
        In the order of `StrengthHistogram`.
    means : ndarray of int16, shape (2, h, w), optional
        Room to work in; of many windows the same, it stays in the processor's cache.
    """
    box, reach = reach_px(mpp)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    blue, brown = np.empty_like(stains) if means is None else means
    _box_mean(stains[0], box, blue)
    _box_mean(stains[1], box, brown)
    _count(blue, brown, mask, disc.sum(axis=1) // 2, counts)


@njit(cache=True, nogil=True)
def clear(stains, known):  # type: ignore[no-untyped-def]
    """Make both stains, int16 (2, h, w), 0 where a pixel, bool (h, w), is not known.

    Of the windows of a small slide, many reach beyond it.
    """
    for stain in stains:
        for y in range(len(known)):
            row, seen = stain[y], known[y]
            for x in range(np.uint64(row.size)):
                row[x] = np.int16(row[x] * np.int16(seen[x]))


@njit(cache=True, nogil=True)
def _box_mean(plane, radius, mean):  # type: ignore[no-untyped-def]
    """Mean over a square, rounded half up; a border goes on as it ends."""
    height, width = plane.shape
    area = (2 * radius + 1) ** 2
    columns = np.zeros(width + 2 * radius, np.int32)
    inner, total = columns[radius : radius + width], np.empty(width, np.int32)
    for y in range(-radius, radius):
        _add_row(plane[min(max(y, 0), height - 1)], inner)
    for y in range(height):
        _exchange(plane[min(y + radius, height - 1)], plane[max(y - radius - 1, 0)], y > 0, inner)
        columns[:radius], columns[radius + width :] = columns[radius], columns[radius + width - 1]
        if radius == _WORKING_BOX_PX:
            _mean_of_five(columns, mean[y])
            continue
        total[:] = columns[:width]
        for k in range(1, 2 * radius + 1):
            _add_row(columns[k : k + width], total)
        _divide(total, area, mean[y])


@njit(cache=True, nogil=True)
def _add_row(row, total):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] += np.int32(row[x])


@njit(cache=True, nogil=True)
def _exchange(coming, going, leaves, total):  # type: ignore[no-untyped-def]
    """Add a row and, where one leaves, take it off."""
    if not leaves:
        _add_row(coming, total)
        return
    for x in range(total.size):
        total[x] += np.int32(np.int32(coming[x]) - np.int32(going[x]))


@njit(cache=True, nogil=True)
def _mean_of_five(columns, mean):  # type: ignore[no-untyped-def]
    """Sums of five rows to means of 5 x 5 pixels, as `_divide` rounds them, in one loop."""
    width = mean.size
    a, b, c = columns[:width], columns[1 : width + 1], columns[2 : width + 2]
    d, e = columns[3 : width + 3], columns[4 : width + 4]
    # half a count over a whole one: a product in single precision is wrong by less than that, 0.008 of 0.02
    share, above_zero = np.float32(1 / 25), np.float32(25 * 32768 + 12.5)
    for x in range(width):
        total = np.float32(np.int32(np.int32(a[x] + b[x]) + np.int32(c[x] + d[x])) + e[x])
        mean[x] = np.int16(np.int32(np.float32(total + above_zero) * share) - np.int32(32768))


@njit(cache=True, nogil=True)
def _divide(total, area, mean):  # type: ignore[no-untyped-def]
    """Sums to means, rounded half up; ``area`` is odd, and at most 127 px a side."""
    # times the area's reciprocal, which is exact for as many bits, because a division takes ten times as long
    bits = np.int64(17)
    while 1 << (bits - 17) <= area:
        bits += 1
    bits += bits - 17
    reciprocal = np.uint64((1 << bits) // area + 1)
    above_zero = np.int32(area * 32768 + area // 2)
    for x in range(mean.size):
        share = np.uint64(np.uint32(total[x] + above_zero)) * reciprocal
        mean[x] = np.int16(np.int32(share >> np.uint64(bits)) - np.int32(32768))


@njit(cache=True, nogil=True)
def _count(blue, brown, mask, reach, counts):  # type: ignore[no-untyped-def]
    """Count a window, what lies beyond a histogram at its end; ``reach`` is half of each row of a disc."""
    height, width = mask.shape
    highest, place = np.empty(width, np.int16), np.empty((2, width), np.uint16)
    peaks, room = counts[2], -(-width // 8) * 8
    kind, peak = np.zeros(room, np.uint8), np.zeros(room, np.uint8)
    eights = peak.view(np.uint64)
    # brown pixels are counted in the upper half of their DAB's count: one addition, and no branch
    found = np.zeros((2, counts.shape[1]), np.uint64)
    for y in range(height):
        if not mask[y].any():
            continue
        _highest_nearby(blue, y, reach.size // 2, highest)
        _tell((blue[y], brown[y], mask[y]), highest, place, kind, peak)
        _add_places(place[0], place[1], kind, found[0], found[1])
        for k in range(eights.size):
            if eights[k]:
                for x in range(8 * k, 8 * k + 8):
                    # few get as far as to be compared with all of the disc
                    if peak[x] and _is_darkest(blue, y, x, reach):
                        peaks[place[0, x]] += 1
    for level in range(counts.shape[1]):
        counts[0, level] += np.int64(found[0, level])
        counts[1, level] += np.int64(found[1, level] & _LOWER)
        counts[3, level] += np.int64(found[1, level] >> np.uint64(32))


@njit(cache=True, nogil=True)
def _tell(row, highest, place, kind, peak):  # type: ignore[no-untyped-def]
    """Places of a row's pixels in the histograms, their kinds as of `_add_places`, and possible peaks."""
    (blue, brown, seen), at_h, at_d = row, place[0], place[1]
    low, high = np.int16(-BELOW), np.int16(LEVELS - 1)
    for x in range(np.uint64(at_h.size)):
        at_h[x] = np.uint16(min(max(blue[x], low), high) + BELOW)
        at_d[x] = np.uint16(min(max(brown[x], low), high) + BELOW)
    for x in range(np.uint64(at_h.size)):
        h, d = np.int32(blue[x]), np.int32(np.int32(100) * np.int32(brown[x]))
        is_brown = np.uint8(d > np.int32(_BROWN_SHARE_PERCENT * h))
        is_blue = np.uint8(d < np.int32(_BLUE_SHARE_PERCENT * h))
        kind[x] = np.uint8(seen[x]) << is_brown
        peak[x] = is_blue & np.uint8(blue[x] == highest[x]) & np.uint8(seen[x])


@njit(cache=True, nogil=True)
def _add_places(at_h, at_d, kind, hematoxylin, dab):  # type: ignore[no-untyped-def]
    """Count pixels: of kind 0 none, of kind 1 those that are not brown, of kind 2 brown ones."""
    for x in range(np.uint64(at_h.size)):
        brown = np.uint64(kind[x]) >> np.uint64(1)
        counts = np.uint64(kind[x]) - brown
        hematoxylin[at_h[x]] += counts
        dab[at_d[x]] += counts | (brown << np.uint64(32))


@njit(cache=True, nogil=True)
def _highest_nearby(values, y, reach, highest):  # type: ignore[no-untyped-def]
    """Largest of each pixel of a row and some of a disc around it: most are darker somewhere near."""
    row, last, step = values[y], values.shape[0] - 1, min(reach, 2)
    above, below = values[max(y - 1, 0)], values[min(y + 1, last)]
    upper, lower = values[max(y - step, 0)], values[min(y + step, last)]
    top, bottom = values[max(y - reach, 0)], values[min(y + reach, last)]
    for x in range(highest.size):
        near, far = max(above[x], below[x]), max(max(upper[x], lower[x]), max(top[x], bottom[x]))
        highest[x] = max(row[x], max(near, far))
    width = highest.size - 2 * reach
    if width <= 0:
        return
    inner = highest[reach : reach + width]
    far_left, far_right = row[:width], row[2 * reach :][:width]
    left, right = row[reach - step :][:width], row[reach + step :][:width]
    before, after = row[reach - 1 :][:width], row[reach + 1 :][:width]
    for x in range(np.uint64(inner.size)):
        near, far = max(before[x], after[x]), max(max(left[x], right[x]), max(far_left[x], far_right[x]))
        inner[x] = max(inner[x], max(near, far))


@njit(cache=True, nogil=True)
def _is_darkest(values, y, x, reach):  # type: ignore[no-untyped-def]
    """Whether no value in the disc around a pixel is larger than its own."""
    top = y - reach.size // 2
    for k in range(max(0, -top), min(reach.size, values.shape[0] - top)):
        for other in values[top + k, max(0, x - reach[k]) : x + reach[k] + 1]:
            if other > values[y, x]:
                return False
    return True


def reach_px(mpp: float) -> tuple[int, int]:
    """Half the sides of the mean and of the place of a peak."""
    return max(1, round(_BOX_UM / mpp)), max(1, round(_PEAK_UM / mpp))
