"""Points sorted into square cells, so that what lies near a place is found in a few runs of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class PointGrid(NamedTuple):
    """Points by square cells: places, where each cell begins, cells in a row, corner and edge."""

    x: FloatArray
    y: FloatArray
    starts: NDArray[np.int64]
    across: int
    left: float
    top: float
    size: float


def grid_of(
    x: FloatArray, y: FloatArray, size: float, most_across: int
) -> tuple[PointGrid, NDArray[np.int32]]:
    """Sort points into cells.

    Parameters
    ----------
    x, y : ndarray of float64, shape (n,)
        At least one.
    size : float
        Edge of a cell, above 0 and in the unit of the points; larger where there would be too many cells.
    most_across : int
        Cells in a row or in a column at most, about.

    Returns
    -------
    grid : PointGrid
    order : ndarray of int32, shape (n,)
        Which point stands in each place of the grid; within a cell they keep their order.
    """
    left, top = float(x.min()), float(y.min())
    size = max(size, float(max(x.max() - left, y.max() - top)) / most_across)
    # in 32 bits and one after the other: a large slide has millions of nuclei
    cell = ((y - top) / size).astype(np.int32)
    down = int(cell.max()) + 1
    column = ((x - left) / size).astype(np.int32)
    across = int(column.max()) + 1
    cell *= np.int32(across)
    cell += column
    del column
    starts = np.append(0, np.cumsum(np.bincount(cell, minlength=across * down)))
    order = _by_cell(cell, starts)
    return PointGrid(x[order], y[order], starts, across, left, top, size), order


@njit(cache=True, nogil=True)
def _by_cell(cell: NDArray[np.int32], starts: NDArray[np.int64]) -> NDArray[np.int32]:
    place, order = starts.copy(), np.empty_like(cell)
    for i in range(cell.size):
        order[place[cell[i]]] = i
        place[cell[i]] += 1
    return order


@njit(cache=True, nogil=True)
def rows_near(grid: PointGrid, x: float, y: float, radius: float) -> tuple[int, int, int, int]:
    """Columns and rows of cells, first and last, that a circle reaches; what is rounded stays inside."""
    reach = radius * (1.0 + 1e-9)
    last_row = (grid.starts.size - 1) // grid.across - 1
    left = int(max(0.0, (x - reach - grid.left) / grid.size))
    right = min(grid.across - 1, int((x + reach - grid.left) / grid.size))
    top = int(max(0.0, (y - reach - grid.top) / grid.size))
    bottom = min(last_row, int((y + reach - grid.top) / grid.size))
    return left, right, top, bottom


@njit(cache=True, nogil=True)
def nearest_others(grid: PointGrid) -> FloatArray:
    """Distance from each point of a grid, of two or more, to the nearest other one."""
    out = np.empty(grid.x.size)
    for i in range(grid.x.size):
        x, y = grid.x[i], grid.y[i]
        nearest, radius = np.inf, grid.size / 2
        while nearest > radius * radius:
            radius *= 2.0
            left, right, top, bottom = rows_near(grid, x, y, radius)
            for row in range(top, bottom + 1):
                at = row * grid.across
                for j in range(grid.starts[at + left], grid.starts[at + right + 1]):
                    square = (grid.x[j] - x) ** 2 + (grid.y[j] - y) ** 2
                    if square < nearest and j != i:
                        nearest = square
        out[i] = np.sqrt(nearest)
    return out
