"""A slide at a glance, kept while it is surveyed, so that pictures need not read it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.maps import add_pairs

_LONGEST_PX = 4096  # 50 MB at most
_COARSEST_PX = 16


@dataclass(frozen=True, eq=False)
class Preview:
    """Mean colours of squares of the working plane.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        White where the slide holds nothing.
    scale_px : int
        Working px per preview px: 2, 4, 8 or 16.
    """

    rgb: npt.NDArray[np.uint8]
    scale_px: int

    @classmethod
    def blank(cls, size_px: tuple[int, int]) -> Preview:
        """White preview of a working plane of this width and height."""
        scale = 2
        while scale < _COARSEST_PX and max(size_px) > scale * _LONGEST_PX:
            scale *= 2
        width, height = (-(-edge // scale) for edge in size_px)
        return cls(np.full((height, width, 3), 255, np.uint8), scale)

    def take(self, corner: tuple[int, int], planes: Sequence[npt.NDArray[np.uint8]], number: int) -> None:
        """Shrink blocks of the plane into their places.

        Parameters
        ----------
        corner : tuple of int
            Plane pixel of the first one's top-left corner, multiples of 16.
        planes : sequence of 3 ndarray of uint8, shape (n h, w)
            Red, green and blue of blocks side by side, here one below the other; sides are multiples of 16
            px, and white beyond the plane.
        number : int
            Of blocks.
        """
        x, y = corner[0] // self.scale_px, corner[1] // self.scale_px
        stacked, width = (side // self.scale_px for side in planes[0].shape)
        small = np.empty((3, stacked // number, number * width), np.uint8)
        for plane, shrunk in zip(planes, small, strict=True):
            _shrink(plane, self.scale_px, shrunk)
        place = self.rgb[y : y + small.shape[1], x : x + small.shape[2]]
        place[:] = cv2.merge(list(small))[: place.shape[0], : place.shape[1]]


@njit(cache=True, nogil=True)
def _shrink(plane, scale, small):  # type: ignore[no-untyped-def]
    """Means of squares of 2, 4, 8 or 16 px, rounded as OpenCV does: of 2 px half up, of more half to even.

    Of blocks one below the other, which come to lie side by side.
    """
    columns, halved = np.empty(plane.shape[1], np.uint16), np.empty(plane.shape[1], np.uint16)
    height, width = small.shape[0], plane.shape[1] // scale
    for at in range(len(plane) // scale):
        rows = plane[at * scale : (at + 1) * scale]
        left = at // height * width
        mean = small[at % height][left : left + width]
        if scale == 2:
            _mean_of_four(rows[0], rows[1], mean)
            continue
        columns[:] = 0
        for row in rows:
            for x in range(columns.size):
                columns[x] += np.uint16(row[x])
        sums, pairs, bits = columns, halved, 0
        while sums.size > width:
            pairs = pairs[: sums.size // 2]
            add_pairs(sums, pairs)
            sums, pairs, bits = pairs, sums, bits + 2
        _round_even(sums, np.uint16(bits), mean)


@njit(cache=True, nogil=True)
def _mean_of_four(upper, lower, mean):  # type: ignore[no-untyped-def]
    for x in range(np.uint64(mean.size)):
        left = np.uint64(2) * x
        right = left + np.uint64(1)
        total = np.uint16(upper[left]) + np.uint16(lower[left]) + np.uint16(upper[right])
        mean[x] = np.uint8(np.uint16(total + np.uint16(lower[right]) + np.uint16(2)) >> np.uint16(2))


@njit(cache=True, nogil=True)
def _round_even(sums, bits, mean):  # type: ignore[no-untyped-def]
    """Sums of 2^bits numbers to means; at most 256 x 255, so that nothing overflows."""
    below_half = np.uint16((1 << bits) // 2 - 1)
    for x in range(mean.size):
        odd = np.uint16(np.uint16(sums[x] >> bits) & np.uint16(1))
        mean[x] = np.uint8(np.uint16(sums[x] + below_half + odd) >> bits)
