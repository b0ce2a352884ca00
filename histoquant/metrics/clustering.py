"""Density-based clusters of points that do not depend on the order of the points."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histoquant.metrics.point_grid import PointGrid, grid_of, rows_near

_MOST_ACROSS: Final = 1024
_NONE: Final = -1


def dbscan(
    x_um: NDArray[np.float64], y_um: NDArray[np.float64], eps_um: float, min_points: int
) -> NDArray[np.int64]:
    """DBSCAN (Ester 1996) with one answer for every order of the rows.

    A core point has ``min_points`` points, itself included, within ``eps_um``. Core points within
    ``eps_um`` of each other are one cluster. A border point belongs to its nearest core point, so
    unlike in the original no point depends on which cluster was grown first.

    Parameters
    ----------
    x_um, y_um : ndarray of float64, shape (n,)
        Points.
    eps_um : float
        Radius of the neighbourhood.
    min_points : int
        Points that make a neighbourhood dense.

    Returns
    -------
    ndarray of int64, shape (n,)
        Cluster of each point, numbered from 0 by its first core point in (y, x) order; -1 is noise.
    """
    labels = np.full(len(x_um), _NONE, np.int64)
    if len(labels) < min_points:
        return labels
    x, y = (np.ascontiguousarray(axis, np.float64) for axis in (x_um, y_um))
    grid, order = grid_of(x, y, eps_um, _MOST_ACROSS)
    dense = _dense(grid, eps_um, min_points)
    first_of = _joined(grid, eps_um, dense)
    firsts = np.flatnonzero(first_of == np.arange(len(order)))
    number = np.empty(len(order), np.int64)
    number[firsts[np.lexsort((grid.x[firsts], grid.y[firsts]))]] = np.arange(len(firsts))
    in_grid = np.full(len(order), _NONE, np.int64)
    in_grid[dense] = number[first_of[dense]]
    doubtful = _take_borders(grid, eps_um, dense, in_grid)
    if doubtful.any():
        in_grid[doubtful] = _by_tree(grid, eps_um, dense, in_grid, doubtful)
    labels[order] = in_grid
    return labels


def _by_tree(
    grid: PointGrid, eps: float, dense: NDArray[np.bool_], labels: NDArray[np.int64], asked: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Clusters of points that are as near to one as to another, as SciPy's tree happens to decide."""
    points = np.stack([grid.y, grid.x], axis=1)
    core = np.flatnonzero(dense)
    core = core[np.lexsort((grid.x[core], grid.y[core]))]
    # the bound is part of how it decides: which branches it puts aside, and takes up in which order
    bound = np.nextafter(eps, np.inf)
    nearest = cKDTree(points[core]).query(points[asked], distance_upper_bound=bound)[1]
    return np.asarray(labels[core[nearest]])


@njit(cache=True, nogil=True)
def _dense(grid: PointGrid, eps: float, min_points: int) -> NDArray[np.bool_]:
    """Which points of a grid are core points."""
    dense = np.empty(grid.x.size, np.bool_)
    for i in range(grid.x.size):
        x, y, found = grid.x[i], grid.y[i], 0
        left, right, top, bottom = rows_near(grid, x, y, eps)
        for row in range(top, bottom + 1):
            at = row * grid.across
            for j in range(grid.starts[at + left], grid.starts[at + right + 1]):
                found += (grid.x[j] - x) ** 2 + (grid.y[j] - y) ** 2 <= eps * eps
        dense[i] = found >= min_points
    return dense


@njit(cache=True, nogil=True)
def _joined(grid: PointGrid, eps: float, dense: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of each core point the first one, in (y, x) order, of its cluster; -1 for other points."""
    above = np.arange(grid.x.size)
    for i in range(grid.x.size):
        if not dense[i]:
            above[i] = _NONE
            continue
        x, y = grid.x[i], grid.y[i]
        left, right, top, bottom = rows_near(grid, x, y, eps)
        for row in range(top, bottom + 1):
            at = row * grid.across
            for j in range(grid.starts[at + left], min(i, grid.starts[at + right + 1])):
                if dense[j] and (grid.x[j] - x) ** 2 + (grid.y[j] - y) ** 2 <= eps * eps:
                    a, b = _first(above, i), _first(above, j)
                    if (grid.y[b], grid.x[b]) < (grid.y[a], grid.x[a]):
                        a, b = b, a
                    above[b] = a
    for i in range(grid.x.size):
        if dense[i]:
            above[i] = _first(above, i)
    return above


@njit(cache=True, nogil=True)
def _first(above: NDArray[np.int64], at: int) -> int:
    """Go up to the first of a cluster; the way there is halved for the next."""
    while above[at] != at:
        above[at] = above[above[at]]
        at = above[at]
    return at


@njit(cache=True, nogil=True)
def _take_borders(
    grid: PointGrid, eps: float, dense: NDArray[np.bool_], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Give each other point the cluster of the nearest core point; which have two that are equally near."""
    doubtful = np.zeros(dense.size, np.bool_)
    for i in range(dense.size):
        if dense[i]:
            continue
        x, y, nearest = grid.x[i], grid.y[i], np.inf
        left, right, top, bottom = rows_near(grid, x, y, eps)
        for row in range(top, bottom + 1):
            at = row * grid.across
            for j in range(grid.starts[at + left], grid.starts[at + right + 1]):
                square = (grid.x[j] - x) ** 2 + (grid.y[j] - y) ** 2
                if not dense[j] or square > nearest or np.sqrt(square) > eps:
                    continue
                doubtful[i] = square == nearest and (doubtful[i] or labels[j] != labels[i])
                nearest, labels[i] = square, labels[j]
    return doubtful


def members_of(labels: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Rows of each cluster of `dbscan` in ascending order, by number; noise is left out."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(labels.max(initial=-1) + 2))
    return [order[first:last] for first, last in pairwise(starts)]
