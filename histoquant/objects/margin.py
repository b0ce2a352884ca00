"""What lies at or near labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int32Array = npt.NDArray[np.int32]
UInt8Array = npt.NDArray[np.uint8]

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def near(labels: Int32Array, steps: int) -> UInt8Array:
    """Pixels that so many steps along rows and columns lead to from a label.

    A dilation by a cross, repeated; in vectors of bytes it takes less than half of OpenCV's time.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        0 for none.
    steps : int
        0 for the labels themselves.

    Returns
    -------
    ndarray of uint8, shape (h, w)
        1 or 0.
    """
    found = (labels > 0).view(np.uint8)
    other = np.empty_like(found)
    for _ in range(steps):
        _spread(found, other)
        found, other = other, found
    return found


@_kernel
def _spread(found: UInt8Array, out: UInt8Array) -> None:
    last = found.shape[0] - 1
    for y in range(out.shape[0]):
        row, wider = found[y], out[y]
        _join(found[max(y - 1, 0)], row, found[min(y + 1, last)], wider)
        _add(row[:-1], wider[1:])
        _add(row[1:], wider[:-1])


@_kernel
def _join(above: UInt8Array, row: UInt8Array, below: UInt8Array, out: UInt8Array) -> None:
    for x in range(out.size):
        out[x] = above[x] | row[x] | below[x]


@_kernel
def _add(row: UInt8Array, out: UInt8Array) -> None:
    for x in range(out.size):
        out[x] |= row[x]
