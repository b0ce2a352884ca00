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

# A nucleus is blue where its DAB is less than half of its haematoxylin; stain is brown from 0.6 of it on.
_BLUE_SHARE_PERCENT = 50
_BROWN_SHARE_PERCENT = 60


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
    stains: npt.NDArray[np.int16], mask: npt.NDArray[np.bool_], mpp: float, counts: Int64Array
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
    """
    box, reach = reach_px(mpp)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    blue, brown = np.empty_like(stains[0]), np.empty_like(stains[1])
    _box_mean(stains[0], box, blue)
    _box_mean(stains[1], box, brown)
    _count(blue, brown, mask, disc.sum(axis=1) // 2, counts)


@njit(cache=True, nogil=True)
def _box_mean(plane, radius, mean):  # type: ignore[no-untyped-def]
    """Mean over a square, rounded half up; a border goes on as it ends."""
    height, width = plane.shape
    area = (2 * radius + 1) ** 2
    columns = np.zeros(width + 2 * radius, np.int32)
    total = np.empty(width, np.int32)
    for y in range(-radius, height + radius):
        _add_row(plane[min(max(y, 0), height - 1)], np.int32(1), columns[radius : radius + width])
        if y < radius:
            continue
        columns[:radius], columns[radius + width :] = columns[radius], columns[radius + width - 1]
        total[:] = columns[:width]
        for k in range(1, 2 * radius + 1):
            _add_row(columns[k : k + width], np.int32(1), total)
        _divide(total, area, mean[y - radius])
        _add_row(plane[max(y - 2 * radius, 0)], np.int32(-1), columns[radius : radius + width])


@njit(cache=True, nogil=True)
def _add_row(row, sign, total):  # type: ignore[no-untyped-def]
    for x in range(total.size):
        total[x] += sign * np.int32(row[x])


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
    kind = np.empty(width, np.uint8)
    hematoxylin, dab, peaks, stained = counts[0], counts[1], counts[2], counts[3]
    for y in range(height):
        _highest_nearby(blue, y, reach.size // 2, highest)
        _tell(blue[y], brown[y], highest, place, kind)
        seen = mask[y]
        for x in range(width):
            if not seen[x]:
                continue
            at_h, at_d = place[0, x], place[1, x]
            hematoxylin[at_h] += 1
            dab[at_d] += 1
            if kind[x]:
                stained[at_d] += kind[x] & 1
                # few get as far as to be compared with all of the disc
                if kind[x] & 2 and _is_darkest(blue, y, x, reach):
                    peaks[at_h] += 1


@njit(cache=True, nogil=True)
def _tell(blue, brown, highest, place, kind):  # type: ignore[no-untyped-def]
    """Places of a row's pixels in the histograms; of the brown ones 1, of blue ones that may be a peak 2."""
    low, high = np.int16(-BELOW), np.int16(LEVELS - 1)
    for x in range(kind.size):
        place[0, x] = np.uint16(min(max(blue[x], low), high) + BELOW)
        place[1, x] = np.uint16(min(max(brown[x], low), high) + BELOW)
        h, d = np.int32(blue[x]), np.int32(np.int32(100) * np.int32(brown[x]))
        is_brown = np.uint8(d > np.int32(_BROWN_SHARE_PERCENT * h))
        is_blue = np.uint8(d < np.int32(_BLUE_SHARE_PERCENT * h)) & np.uint8(blue[x] == highest[x])
        kind[x] = np.uint8(is_brown + 2 * is_blue)


@njit(cache=True, nogil=True)
def _highest_nearby(values, y, reach, highest):  # type: ignore[no-untyped-def]
    """Largest of each pixel of a row and some of a disc around it: most are darker somewhere near."""
    row = values[y]
    highest[:] = row
    for k in range(1, min(reach, 2) + 1):
        above, below = values[max(y - k, 0)], values[min(y + k, values.shape[0] - 1)]
        for x in range(highest.size):
            highest[x] = max(highest[x], max(above[x], below[x]))
        inner, left, right = highest[k:-k], row[: -2 * k], row[2 * k :]
        for x in range(left.size):
            inner[x] = max(inner[x], max(left[x], right[x]))


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
