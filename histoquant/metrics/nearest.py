"""How closely positive cells stand together, against the same cells labelled at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from histoquant.metrics.measured import Measured

FloatArray = NDArray[np.float64]

MIN_CELLS = 10
"""Fewer positive cells have no typical distance."""
_SAMPLED = 400  # nuclei from which the expectation is taken: its standard error is about 2 %
_TAIL = 1e-3  # chance of no positive cell among the neighbours looked at
_MAX_NEIGHBOURS = 5000


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
    chosen = points[positive]
    observed = np.asarray(cKDTree(chosen).query(chosen, k=2)[0])[:, 1]
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
    chance = np.empty(reach)
    none_yet = 1.0
    for k in range(reach):
        here = min(1.0, others / (count - k))
        chance[k] = none_yet * here
        none_yet *= 1.0 - here
    chance[-1] += none_yet  # what lies beyond the reach is at least that far
    distance = _sorted_distances(points, drawn, reach + 1)[:, 1:]
    return math.fsum((distance * chance).sum(axis=1)) / len(drawn)


def _sorted_distances(points: FloatArray, drawn: FloatArray, number: int) -> FloatArray:
    """Distances to the ``number`` nearest points, nearest first; shape (len(drawn), number).

    A tree keeps a heap for each query, which for thousands of neighbours takes several times as long as
    sorting what lies in a circle that holds enough of them.
    """
    order = np.argsort(points[:, 0])
    x, y = points[order, 0], points[order, 1]
    area = float(np.prod(np.maximum(np.ptp(points, axis=0), 1e-9)))
    likely = math.sqrt(1.3 * number * area / (math.pi * len(points)))
    out = np.empty((len(drawn), number))
    room = np.empty((2, len(points) + 1))
    for row, (at_x, at_y) in enumerate(drawn.tolist()):
        radius, found = likely, 0
        while found < number:
            first, end = np.searchsorted(x, (at_x - radius, at_x + radius))
            limit = radius * radius
            found = _squares_within(x[first:end], y[first:end], (at_x, at_y), limit, room[0])
            radius *= 1.4
        _sort_even(room[0, :found], limit, room[1, :found])
        out[row] = np.sqrt(room[1, :number])
    return out


@njit(cache=True, nogil=True)
def _squares_within(
    x: FloatArray, y: FloatArray, at: tuple[float, float], limit: float, out: FloatArray
) -> int:
    """Squared distances up to a limit; how many there are."""
    found = 0
    for i in range(x.size):
        square = (x[i] - at[0]) ** 2 + (y[i] - at[1]) ** 2
        # what is too far is written over
        out[found] = square
        found += int(square <= limit)
    return found


@njit(cache=True, nogil=True)
def _sort_even(values: FloatArray, most: float, out: FloatArray) -> None:
    """Sort numbers that lie about evenly between 0 and ``most``: as many boxes, put in order one by one.

    Squared distances of points spread over a plane do so.
    """
    boxes = values.size
    last, scale = np.int32(boxes - 1), boxes / most
    box = np.empty(boxes, np.int32)
    place = np.zeros(boxes + 1, np.int32)
    for i in range(boxes):
        box[i] = min(np.int32(values[i] * scale), last)
        place[box[i] + 1] += 1
    for i in range(boxes):
        place[i + 1] += place[i]
    for i in range(boxes):
        out[np.uint32(place[box[i]])] = values[i]
        place[box[i]] += 1
    # what is out of order now lies in one box
    for i in range(1, boxes):
        value, at = out[i], i
        while at > 0 and out[at - 1] > value:
            out[at] = out[at - 1]
            at -= 1
        out[at] = value
