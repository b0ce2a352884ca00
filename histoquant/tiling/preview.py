"""A slide at a glance, kept while it is surveyed, so that pictures need not read it again."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

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

    def take(self, corner: tuple[int, int], blocks: npt.NDArray[np.uint8]) -> None:
        """Shrink blocks of the plane into their places.

        Parameters
        ----------
        corner : tuple of int
            Plane pixel of the first one's top-left corner, multiples of 16.
        blocks : ndarray of uint8, shape (n, h, w, 3)
            Side by side; multiples of 16 px, white beyond the plane.
        """
        x, y = corner[0] // self.scale_px, corner[1] // self.scale_px
        number, height, width = len(blocks), *(side // self.scale_px for side in blocks.shape[1:3])
        stacked = blocks.reshape(-1, *blocks.shape[2:])
        small = cv2.resize(stacked, (width, number * height), interpolation=cv2.INTER_AREA)
        place = self.rgb[y : y + height, x : x + number * width]
        beside = small.reshape(number, height, width, 3).swapaxes(0, 1).reshape(height, number * width, 3)
        place[:] = beside[: place.shape[0], : place.shape[1]]
