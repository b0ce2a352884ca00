"""Small repairs of labelled objects: grow, fill, renumber."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import PIXELS, SUM_X, SUM_XX, SUM_XY, SUM_Y, SUM_YY, LabelRuns

Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
IntpArray = npt.NDArray[np.intp]

_NEVER = 1 << 30


class Shapes(NamedTuple):
    """Where objects lie and how they are shaped, by label from 1 on.

    Attributes
    ----------
    boxes : ndarray of int32, shape (n, 4)
        As `LabelRuns.boxes`.
    moments : ndarray of int64, shape (n, 8)
        As `LabelRuns.moments`; `fill_holes` keeps all but the boundary up to date.
    broken : ndarray of bool, shape (n,)
        As `LabelRuns.broken`.
    """

    boxes: Int32Array
    moments: Int64Array
    broken: BoolArray

    @classmethod
    def of(cls, labels: Int32Array, count: int | None = None) -> Shapes:
        """Shapes in an image with so many labels, counted where they are not."""
        runs = LabelRuns.of_all(labels, count)
        return cls(runs.boxes(), runs.moments(), runs.broken())


def grow(
    labels: Int32Array, dark: IntArray, levels: UInt8Array, steps: int, count: int | None = None
) -> None:
    """Grow objects downhill, in place, a pixel per step, down to half the lowest level they hold.

    A free pixel joins the darkest of its four neighbours that is in an object and at least as dark as
    itself; of equally dark ones the first in the order up, left, right, down.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    dark : ndarray of int16 or int32, shape (h, w)
    levels : ndarray of uint8, shape (h, w)
        0 where nothing may grow.
    steps : int
    count : int, optional
        Largest label, where it is known already.
    """
    if steps == 0:
        return
    lowest = _lowest(labels, levels, int(labels.max(initial=0)) if count is None else count)
    for _ in range(steps):
        places, joined = _grown_once(labels, dark, levels, lowest)
        _join(labels, places, joined)


def fill_holes(labels: Int32Array, shapes: Shapes) -> None:
    """Give holes that lie inside one object to that object, in place.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Pixels of other objects inside a hole stay theirs.
    shapes : Shapes
        Of these labels.
    """
    _fill(labels, shapes.boxes, shapes.broken, shapes.moments)


def boxes(labels: Int32Array) -> Int32Array:
    """Bounding boxes (y0, x0, y1, x1), half open, of labels 1 to n.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)

    Returns
    -------
    ndarray of int32, shape (n, 4)
    """
    return LabelRuns.of_all(labels).boxes()


def renumber(labels: Int32Array, runs: LabelRuns, seeds: Int32Array) -> IntpArray:
    """Number objects by their seeds in raster order, in place, and drop labels without pixels.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    runs : LabelRuns
        Of all of them.
    seeds : ndarray of int32, shape (n, 2)

    Returns
    -------
    ndarray of intp, shape (m,)
        Rows of the seeds in their new order.
    """
    there = np.flatnonzero(seeds[:, 0] >= 0)
    order = there[np.lexsort((seeds[there, 1], seeds[there, 0]))]
    numbers = np.zeros(len(seeds), dtype=np.int32)
    numbers[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    runs.paint(labels, numbers)
    return np.asarray(order, np.intp)


@njit(cache=True, nogil=True)
def _lowest(labels: Int32Array, levels: UInt8Array, count: int) -> Int32Array:
    lowest = np.full(count + 1, 255, np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] > 0:
                lowest[labels[y, x]] = min(lowest[labels[y, x]], levels[y, x])
    # what is in no object never grows
    lowest[0] = _NEVER
    return lowest


@njit(cache=True, nogil=True)
def _grown_once(
    labels: Int32Array, dark: IntArray, levels: UInt8Array, lowest: Int32Array
) -> tuple[Int32Array, Int32Array]:
    """Pixels that join an object, counted along the rows, and which they join."""
    height, width = labels.shape
    places, joined = np.empty(max(1024, width), np.int32), np.empty(max(1024, width), np.int32)
    count = 0
    nobody = np.zeros(width, np.int32)
    # what lies above, left, right and below, all in one: not 0 where an object is beside the pixel
    beside = np.empty(width, np.int32)
    for y in range(height):
        above = labels[y - 1] if y > 0 else nobody
        under = labels[y + 1] if y < height - 1 else nobody
        _beside(above, labels[y], under, levels[y], beside)
        while count + width > places.size:
            places, joined = np.concatenate((places, places)), np.concatenate((joined, joined))
        darkness = (dark[max(y - 1, 0)], dark[y], dark[min(y + 1, height - 1)])
        for x in range(width):
            if beside[x] != 0:
                label = _uphill((above, labels[y], under), darkness, x, 2 * np.int32(levels[y, x]), lowest)
                places[count], joined[count] = y * width + x, label
                count += int(label > 0)
    return places[:count], joined[:count]


@njit(cache=True, nogil=True)
def _join(labels: Int32Array, places: Int32Array, joined: Int32Array) -> None:
    width = labels.shape[1]
    for k in range(places.size):
        labels[places[k] // width, places[k] % width] = joined[k]


@njit(cache=True, nogil=True)
def _beside(
    above: Int32Array, here: Int32Array, under: Int32Array, levels: UInt8Array, out: Int32Array
) -> None:
    width = here.size
    out[0] = here[1] if width > 1 else 0
    out[-1] = here[-2] if width > 1 else 0
    for x in range(1, width - 1):
        out[x] = here[x - 1] | here[x + 1]
    for x in range(width):
        mine = here[x] | np.int32(levels[x] == 0)
        out[x] = 0 if mine != 0 else out[x] | above[x] | under[x]


@njit(cache=True, nogil=True)
def _uphill(
    labels: tuple[Int32Array, Int32Array, Int32Array],
    darkness: tuple[IntArray, IntArray, IntArray],
    x: int,
    twice: int,
    lowest: Int32Array,
) -> np.int32:
    """The object that a free pixel joins, of those in the rows above, here and below; 0 for none."""
    above, here, under = labels
    # at the window's edge a pixel meets itself, and is in no object
    left, right = max(x - 1, 0), min(x + 1, here.size - 1)
    joins, best = np.int32(0), int(darkness[1][x]) - 1
    joins, best = _darker(above[x], darkness[0][x], twice, lowest, joins, best)
    joins, best = _darker(here[left], darkness[1][left], twice, lowest, joins, best)
    joins, best = _darker(here[right], darkness[1][right], twice, lowest, joins, best)
    joins, best = _darker(under[x], darkness[2][x], twice, lowest, joins, best)
    return np.int32(joins)


@njit(cache=True, nogil=True)
def _darker(
    label: np.int32, dark: int, twice: int, lowest: Int32Array, joins: np.int32, best: int
) -> tuple[np.int32, int]:
    """The darker choice, without a branch: either is as likely."""
    better = (twice > lowest[label]) & (dark > best)
    return label if better else joins, dark if better else best


@njit(cache=True, nogil=True)
def _fill(labels: Int32Array, box: Int32Array, broken: BoolArray, moments: Int64Array) -> None:
    room = 1
    for i in range(box.shape[0]):
        room = max(room, (box[i, 2] - box[i, 0]) * (box[i, 3] - box[i, 1]))
    stack = np.empty(room, np.int32)
    marks = np.empty(room, np.uint8)
    for i in range(box.shape[0]):
        y0, x0, y1, x1 = box[i]
        height, width = y1 - y0, x1 - x0
        if not broken[i]:
            continue
        marks[: height * width] = 0
        outside = marks[: height * width].reshape((height, width))
        top = 0
        for y in range(height):
            for x in range(width):
                rim = y == 0 or x == 0 or y == height - 1 or x == width - 1
                if rim and labels[y0 + y, x0 + x] != i + 1:
                    outside[y, x] = 1
                    stack[top] = y * width + x
                    top += 1
        while top > 0:
            top -= 1
            y = stack[top] // width
            x = stack[top] - y * width
            for side in range(4):
                yo = y + (side == 3) - (side == 0)
                xo = x + (side == 2) - (side == 1)
                if not (0 <= yo < height and 0 <= xo < width) or outside[yo, xo]:
                    continue
                if labels[y0 + yo, x0 + xo] != i + 1:
                    outside[yo, xo] = 1
                    stack[top] = yo * width + xo
                    top += 1
        for y in range(height):
            for x in range(width):
                if not outside[y, x] and labels[y0 + y, x0 + x] == 0:
                    labels[y0 + y, x0 + x] = i + 1
                    _add_pixel(y0 + y, x0 + x, moments[i])


@njit(cache=True, nogil=True)
def _add_pixel(y: int, x: int, row: Int64Array) -> None:
    row[PIXELS] += 1
    row[SUM_X] += x
    row[SUM_Y] += y
    row[SUM_XX] += x * x
    row[SUM_YY] += y * y
    row[SUM_XY] += x * y
