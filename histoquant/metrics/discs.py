"""What lies in discs: points, and pixels of a mask; each is asked, so a rim is as exact as its numbers."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@njit(cache=True, nogil=True)
def points_inside(x: FloatArray, y: FloatArray, centres: FloatArray, radius: float) -> NDArray[np.bool_]:
    """Which points lie in each disc or on its rim; coordinates in the unit of the radius.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
    centres : ndarray of float64, shape (discs, 2)
        x, y.
    radius : float

    Returns
    -------
    ndarray of bool, shape (discs, n)
    """
    out = np.empty((centres.shape[0], x.size), np.bool_)
    for disc in range(centres.shape[0]):
        at_x, at_y, row = centres[disc, 0], centres[disc, 1], out[disc]
        for i in range(x.size):
            row[i] = (x[i] - at_x) ** 2 + (y[i] - at_y) ** 2 <= radius * radius
    return out


@njit(cache=True, nogil=True)
def pixels_inside(
    mask: NDArray[np.bool_], pixel: tuple[float, float], across: FloatArray, down: FloatArray, radius: float
) -> NDArray[np.int64]:
    """Pixels of a mask whose centre lies in each disc of a grid of discs, or on its rim.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
    pixel : tuple of float
        Width and height of a pixel, in the unit of the radius.
    across, down : ndarray of float64, shape (columns,) and (rows,)
        Middles of the discs from the mask's corner.
    radius : float

    Returns
    -------
    ndarray of int64, shape (rows, columns)
    """
    height, width = mask.shape
    out = np.zeros((down.size, across.size), np.int64)
    before = np.zeros(width + 1, np.int64)
    limit = radius * radius
    for row in range(height):
        y = (row + 0.5) * pixel[1]
        for column in range(width):
            before[column + 1] = before[column] + mask[row, column]
        if before[width] == 0:
            continue
        for b in range(down.size):
            rest = (y - down[b]) ** 2
            if rest > limit:
                continue
            half = np.sqrt(limit - rest)
            for a in range(across.size):
                # one further out than reckoned, then in until a centre lies inside
                first = min(width, max(0, int((across[a] - half) / pixel[0] - 0.5) - 1))
                while first < width and _beyond(first, pixel[0], across[a], rest, limit, -1):
                    first += 1
                last = max(first - 1, min(width - 1, int((across[a] + half) / pixel[0] - 0.5) + 2))
                while last >= first and _beyond(last, pixel[0], across[a], rest, limit, 1):
                    last -= 1
                out[b, a] += before[last + 1] - before[first]
    return out


@njit(cache=True, nogil=True)
def _beyond(column: int, width: float, middle: float, rest: float, limit: float, side: int) -> bool:
    """Whether a pixel's centre lies outside on this side: -1 left, 1 right."""
    x = (column + 0.5) * width - middle
    return x * side > 0.0 and x * x + rest > limit
