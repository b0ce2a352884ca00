"""How sharply each nucleus stands out from what lies beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def boundary_steps(labels: Int32Array, dark: IntArray, reach_px: int, count: int | None = None) -> FloatArray:
    """Mean step of darkness across the free boundary of each object.

    The step is read from ``reach_px`` inside the inner pixel of an edge to ``reach_px`` outside the outer
    one. Edges towards another object tell nothing about the object's surroundings and are left out.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Labels 1 to n; 0 for none.
    dark : ndarray of int16 or int32, shape (h, w)
    reach_px : int
    count : int, optional
        n, where it is known already.

    Returns
    -------
    ndarray of float64, shape (n,)
        In units of ``dark``, a quotient of two whole numbers; NaN for an object without a free edge.
    """
    sums = np.zeros((int(labels.max(initial=0)) if count is None else count, 2), np.int64)
    _steps(labels, dark, reach_px, sums)
    known = sums[:, 0] > 0
    mean = np.divide(sums[:, 1], sums[:, 0], out=np.full(len(sums), np.nan), where=known)
    return np.asarray(mean, dtype=np.float64)


@njit(cache=True, nogil=True)
def _steps(labels: Int32Array, dark: IntArray, reach: int, sums: Int64Array) -> None:
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            label = labels[y, x]
            if label == 0:
                continue
            for side in range(4):
                dy, dx = (side == 3) - (side == 0), (side == 2) - (side == 1)
                if not (0 <= y + dy < height and 0 <= x + dx < width) or labels[y + dy, x + dx] != 0:
                    continue
                yo = min(max(y + (reach + 1) * dy, 0), height - 1)
                xo = min(max(x + (reach + 1) * dx, 0), width - 1)
                if labels[yo, xo] != 0 and labels[yo, xo] != label:
                    continue
                yi = min(max(y - reach * dy, 0), height - 1)
                xi = min(max(x - reach * dx, 0), width - 1)
                sums[label - 1, 0] += 1
                sums[label - 1, 1] += dark[yi, xi] - dark[yo, xo]
