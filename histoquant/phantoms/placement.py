"""Random positions that respect each other's bodies in three dimensions."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms.bodies import SECTION_UM

BIN_UM = 12.0  # at least the largest contact distance of two cells
BIN_ROOM = 64  # points a bin can hold; 12 x 12 um of the densest sheet holds about 12


class Packing:
    """Cells already placed on a slide; new ones must not sink into them.

    Parameters
    ----------
    size_um : (float, float)
        Width and height of the slide area.
    """

    def __init__(self, size_um: tuple[float, float]) -> None:
        cols, rows = int(size_um[0] / BIN_UM) + 3, int(size_um[1] / BIN_UM) + 3
        self.bins = np.zeros((rows, cols, BIN_ROOM, 4))
        self.filled = np.zeros((rows, cols), np.int64)

    def add(self, points: NDArray[np.float64], overlap: float, limit: int | None = None) -> NDArray[np.bool_]:
        """Place points in order where they fit.

        Parameters
        ----------
        points : ndarray, shape (n, 4)
            x, y, z and radius, um.
        overlap : float
            Share of the two radii two bodies may approach to (1: touching spheres).
        limit : int, optional
            Stop after this many.

        Returns
        -------
        ndarray of bool, shape (n,)
            Which points were placed.
        """
        most = len(points) if limit is None else limit
        return np.asarray(_pack(self.bins, self.filled, points, overlap, most))


@njit(cache=True, nogil=True)
def _fits(
    bins: NDArray[np.float64], filled: NDArray[np.int64], p: NDArray[np.float64], overlap: float
) -> bool:
    row, col = int(p[1] / BIN_UM) + 1, int(p[0] / BIN_UM) + 1
    for j in range(max(row - 1, 0), min(row + 2, bins.shape[0])):
        for i in range(max(col - 1, 0), min(col + 2, bins.shape[1])):
            for k in range(filled[j, i]):
                q = bins[j, i, k]
                dx, dy, dz = p[0] - q[0], p[1] - q[1], p[2] - q[2]
                near = overlap * (p[3] + q[3])
                flat = dx * dx + dy * dy
                # nuclei stacked in one column cannot be told apart by anyone: keep their centres apart
                if flat + dz * dz < near * near or flat < 0.16 * near * near:
                    return False
    return True


@njit(cache=True, nogil=True)
def _pack(
    bins: NDArray[np.float64],
    filled: NDArray[np.int64],
    points: NDArray[np.float64],
    overlap: float,
    limit: int,
) -> NDArray[np.bool_]:
    kept = np.zeros(points.shape[0], np.bool_)
    placed = 0
    for n in range(points.shape[0]):
        if placed >= limit:
            break
        p = points[n]
        row, col = int(p[1] / BIN_UM) + 1, int(p[0] / BIN_UM) + 1
        if row < 0 or col < 0 or row >= bins.shape[0] or col >= bins.shape[1] or filled[row, col] >= BIN_ROOM:
            continue
        if overlap > 0.0 and not _fits(bins, filled, p, overlap):
            continue
        bins[row, col, filled[row, col]] = p
        filled[row, col] += 1
        kept[n] = True
        placed += 1
    return kept


def scatter(
    rng: np.random.Generator, weight: NDArray[np.float64], step_um: float, count: int, depth_um: float
) -> NDArray[np.float64]:
    """Draw positions with density proportional to ``weight``.

    Parameters
    ----------
    weight : ndarray, shape (rows, columns)
        Relative density per grid cell, not negative.
    step_um : float
        Spacing of the grid.
    count : int
        How many.
    depth_um : float
        How far above and below the section centres may lie.

    Returns
    -------
    ndarray, shape (count, 3)
        x, y, z in um; empty where ``weight`` is zero everywhere.
    """
    cumulative = np.cumsum(weight.ravel())
    if count <= 0 or cumulative[-1] <= 0.0:
        return np.zeros((0, 3))
    cell = np.searchsorted(cumulative, rng.uniform(0.0, cumulative[-1], count), side="right")
    cell = np.minimum(cell, weight.size - 1)
    row, col = np.divmod(cell, weight.shape[1])
    x = (col + rng.uniform(0.0, 1.0, count)) * step_um
    y = (row + rng.uniform(0.0, 1.0, count)) * step_um
    return np.column_stack([x, y, rng.uniform(-depth_um, SECTION_UM + depth_um, count)])
