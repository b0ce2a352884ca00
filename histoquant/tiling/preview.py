"""A slide at a glance, kept while it is surveyed, so that pictures need not read it again."""

from __future__ import annotations

from dataclasses import dataclass

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
