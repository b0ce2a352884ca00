"""Corners of packed polygons, picked and put into OpenCV's fixed point; compiled."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Points = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.int64]

SHIFT: Final = 4  # sixteenths of a pixel
_MAX_COORDINATE_PX: Final = np.float32(
    30_000
)  # cv2's corners are 32-bit fixed point; further is off the picture
_STEPS: Final = np.float32(1 << SHIFT)


@njit(cache=True, nogil=True)
def fixed(points: Points) -> npt.NDArray[np.int32]:
    """Return corners in sixteenths of a pixel, shape (m, 2); what is no number lies far off."""
    out = np.empty(points.shape, np.int32)
    for corner in range(len(points)):
        for axis in range(2):
            value = points[corner, axis]
            if np.isnan(value):
                value = -_MAX_COORDINATE_PX
            value = min(max(value, -_MAX_COORDINATE_PX), _MAX_COORDINATE_PX)
            out[corner, axis] = np.int32(np.rint(value * _STEPS))
    return out


@njit(cache=True, nogil=True)
def picked(points: Points, offsets: Offsets, keep: npt.NDArray[np.bool_]) -> tuple[Points, Offsets]:
    """Return the polygons that are kept, and their offsets."""
    kept = 0
    corners = 0
    for polygon in range(len(keep)):
        if keep[polygon]:
            kept += 1
            corners += offsets[polygon + 1] - offsets[polygon]
    out, starts = np.empty((corners, 2), points.dtype), np.zeros(kept + 1, np.int64)
    at, number = 0, 0
    for polygon in range(len(keep)):
        if keep[polygon]:
            for corner in range(offsets[polygon], offsets[polygon + 1]):
                out[at, 0], out[at, 1] = points[corner, 0], points[corner, 1]
                at += 1
            number += 1
            starts[number] = at
    return out, starts
