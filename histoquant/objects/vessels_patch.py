"""What is seen of one vessel: planes and pieces of a window, copied into a crop of their own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.prefetch import prefetch

Mask = NDArray[np.uint8]
Plane = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

# Rows fetched before they are copied
_AHEAD = 12


class Patch(NamedTuple):
    """What is seen of a group of pieces in a crop with an empty margin.

    Attributes
    ----------
    planes : ndarray of int16, shape (5, h, w)
        Smoothed DAB, DAB, haematoxylin, total and smoothed total (`Scene.clear`).
    stained, bridged, clear : ndarray of uint8, shape (h, w)
        Stain of the group, the same with its bridges, and the glass that its wall borders; 0 and 1.
    """

    planes: Plane
    stained: Mask
    bridged: Mask
    clear: Mask


@njit(cache=True, nogil=True)
def copy_parts(planes: tuple[Plane, ...], y0: int, x0: int, out: Plane) -> None:
    """Copy what five planes of a window hold of a crop (5, h, w) that may reach beyond it."""
    a, b, c, d, e = planes
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y0 + out.shape[1], a.shape[0]), min(x0 + out.shape[2], a.shape[1])
    for y in range(top, bottom):
        # rows lie far apart in memory
        ahead = min(y + _AHEAD, bottom - 1)
        for x in (left, right - 1):
            prefetch(a, ahead, x)
            prefetch(b, ahead, x)
            prefetch(c, ahead, x)
            prefetch(d, ahead, x)
            prefetch(e, ahead, x)
        to = out[:, y - y0, left - x0 : right - x0]
        _copy_row(a[y, left:right], to[0])
        _copy_row(b[y, left:right], to[1])
        _copy_row(c[y, left:right], to[2])
        _copy_row(d[y, left:right], to[3])
        _copy_row(e[y, left:right], to[4])


@njit(cache=True, nogil=True)
def _copy_row(row: Plane, to: Plane) -> None:
    for x in range(to.size):
        to[x] = row[x]


@njit(cache=True, nogil=True)
def copy_label(labels: Int32, box: Int64, label: int, y0: int, x0: int, out: Mask) -> None:
    """Set the pixels of one label, which lie in its box."""
    for y in range(box[0], box[2]):
        row, to = labels[y, box[1] : box[3]], out[y - y0, box[1] - x0 : box[3] - x0]
        for x in range(row.size):
            to[x] |= row[x] == label
