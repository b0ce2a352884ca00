"""How closely positive cells stand together, against the same cells labelled at random."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.metrics.measured import Measured
from histoquant.metrics.point_grid import PointGrid, grid_of, nearest_others, rows_near

FloatArray = NDArray[np.float64]

MIN_CELLS = 10
"""Fewer positive cells have no typical distance."""
_SAMPLED = 400  # nuclei from which the expectation is taken: its standard error is about 2 %
_TAIL = 1e-3  # chance of no positive cell among the neighbours looked at
_MAX_NEIGHBOURS = 5000
_CELLS_ACROSS = 250
_CELL_UM, _MOST_ACROSS = 20.0, 1024  # for the nearest one: few of a slide's cells lie in such a square
_AT_ONCE = 1 << 16  # distances, which stay in a near cache
_ONE = np.uint64(1)


@dataclass(frozen=True)
class Nearest:
    """Distances from each positive cell to the nearest other positive cell.

    Attributes
    ----------
    median_um : Measured
        Median distance.
    ratio : Measured
        Mean distance over the mean expected if the same number of positive labels fell on the slide's nuclei
        at random: 1 by chance, less where positive cells gather. Crowding of nuclei as such cancels out; in
        the ratio of Clark and Evans (Ecology 1954;35:445), which assumes even tissue, it does not.
    """

    median_um: Measured
    ratio: Measured


def nearest_neighbours(xy_um: FloatArray, positive: NDArray[np.bool_], seed: int) -> Nearest:
    """Nearest-neighbour distances of positive cells and their ratio to random relabelling.

    Parameters
    ----------
    xy_um : ndarray of float64, shape (n, 2)
        All nuclei in quantifiable tissue.
    positive : ndarray of bool, shape (n,)
    seed : int
        From `blocks.resampling_seed`; draws the nuclei that the expectation is taken from.

    Returns
    -------
    Nearest
        ``FEW_CELLS`` below ten positive cells; no ratio where every nucleus is positive.

    Notes
    -----
    The expectation is not simulated. With ``m`` other positive labels among ``n - 1`` other nuclei, the
    nearest positive one is the ``k``-th nearest nucleus with probability
    ``m / (n - k) * prod_{j<k} (1 - m / (n - j))``, so the expected distance is the sum of these
    probabilities times the distances to the ``k``-th neighbours, averaged over nuclei.
    """
    number = int(np.count_nonzero(positive))
    if number < MIN_CELLS:
        return Nearest(Measured.missing("FEW_CELLS"), Measured.missing("FEW_CELLS"))
    points = np.asarray(xy_um, np.float64)
    x, y = np.ascontiguousarray(points[positive].T)
    observed = nearest_others(grid_of(x, y, _CELL_UM, _MOST_ACROSS)[0])
    median = Measured(float(np.median(observed)))
    if number == len(points):
        return Nearest(median, Measured.missing("ALL_POSITIVE"))
    expected = _expected_um(points, number - 1, seed)
    return Nearest(median, Measured(math.fsum(observed) / number / expected))


def _expected_um(points: FloatArray, others: int, seed: int) -> float:
    """Mean distance to the nearest of ``others`` labels that fall on the other points at random."""
    count = len(points) - 1
    share = others / count
    reach = min(count, _MAX_NEIGHBOURS, max(1, math.ceil(math.log(_TAIL) / math.log1p(-share))))
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = points[np.sort(generator.permutation(len(points))[:_SAMPLED])]
    here = np.minimum(1.0, others / (count - np.arange(reach)))
    none_yet = np.cumprod(np.append(1.0, 1.0 - here))
    chance = none_yet[:-1] * here
    chance[-1] += none_yet[-1]  # what lies beyond the reach is at least that far
    means = [(some[:, 1:] * chance).sum(axis=1) for some in _sorted_distances(points, drawn, reach + 1)]
    return math.fsum(np.concatenate(means)) / len(drawn)


def _sorted_distances(points: FloatArray, drawn: FloatArray, number: int) -> Iterator[FloatArray]:
    """Distances of some points drawn to the ``number`` nearest points, nearest first; of a few at a time.

    A tree keeps a heap for each query, which for thousands of neighbours takes several times as long as
    sorting what lies in a circle that holds enough of them.
    """
    x, y = np.ascontiguousarray(points.T)
    span = x.max() - x.min(), y.max() - y.min()
    area = float(max(span[0], 1e-9) * max(span[1], 1e-9))
    likely = math.sqrt(1.3 * number * area / (math.pi * len(points)))
    grid, _ = grid_of(x, y, likely / 2, _CELLS_ACROSS)
    many = max(1, _AT_ONCE // number)
    out = np.empty((min(many, len(drawn)), number))
    for first in range(0, len(drawn), many):
        some = np.ascontiguousarray(drawn[first : first + many])
        _fill_distances(grid, some, likely, out[: len(some)])
        yield out[: len(some)]


@njit(cache=True, nogil=True)
def _fill_distances(grid: PointGrid, drawn: FloatArray, likely: float, out: FloatArray) -> None:
    """Fill each row with the distances to the points nearest to one."""
    number = out.shape[1]
    squares, in_order = np.empty(grid.x.size + 1), np.empty(grid.x.size + 1)
    for at in range(drawn.shape[0]):
        x, y = drawn[at, 0], drawn[at, 1]
        radius, limit, found = likely, 0.0, 0
        while found < number:
            found, limit = 0, radius * radius
            left, right, top, bottom = rows_near(grid, x, y, radius)
            for row in range(top, bottom + 1):
                first, end = grid.starts[row * grid.across + left], grid.starts[row * grid.across + right + 1]
                own = grid.x[first:end], grid.y[first:end]
                found += _squares_within(own, (x, y), limit, squares[found:])
            radius *= 1.4
        _sort_even(squares[:found], limit, in_order)
        out[at] = np.sqrt(in_order[:number])


@njit(cache=True, nogil=True)
def _squares_within(
    points: tuple[FloatArray, FloatArray], at: tuple[float, float], limit: float, out: FloatArray
) -> int:
    """Squared distances up to a limit; how many there are. ``out`` has room for one more."""
    x, y = points
    found = np.uint64(0)
    for i in range(x.size):
        square = (x[i] - at[0]) ** 2 + (y[i] - at[1]) ** 2
        # what is too far is written over
        out[found] = square
        found += np.uint64(square <= limit)
    return int(found)


@njit(cache=True, nogil=True)
def _sort_even(values: FloatArray, most: float, out: FloatArray) -> None:
    """Sort numbers that lie about evenly between 0 and ``most``: into two boxes for each, then one by one.

    Squared distances of points spread over a plane do so.
    """
    boxes = 2 * values.size
    last, scale = np.int32(boxes - 1), boxes / most
    place, box = np.zeros(boxes + 1, np.uint32), np.empty(values.size, np.uint32)
    for i in range(values.size):
        box[i] = min(np.int32(values[i] * scale), last)
    for i in range(values.size):
        place[np.uint64(box[i]) + _ONE] += np.uint32(1)
    before = np.uint32(0)
    for i in range(boxes):
        before += place[np.uint64(i)]
        place[np.uint64(i)] = before
    for i in range(values.size):
        out[np.uint64(place[box[i]])] = values[i]
        place[box[i]] += np.uint32(1)
    # what is out of order now lies in one box
    for later in range(_ONE, np.uint64(values.size)):
        at = np.uint64(later)
        value = out[at]
        if out[at - _ONE] <= value:
            continue
        while at > 0 and out[at - _ONE] > value:
            out[at] = out[at - _ONE]
            at -= _ONE
        out[at] = value
