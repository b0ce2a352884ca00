"""Small repairs of labelled objects: grow, fill, seed, renumber."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int32Array = npt.NDArray[np.int32]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]


def grow(labels: Int32Array, dark: Int32Array, levels: UInt8Array, steps: int) -> Int32Array:
    """Grow objects downhill, a pixel per step, down to half the lowest level they hold.

    A free pixel joins the darkest of its four neighbours that is in an object and at least as dark as
    itself; of equally dark ones the first in the order up, left, right, down.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    dark : ndarray of int32, shape (h, w)
    levels : ndarray of uint8, shape (h, w)
        0 where nothing may grow.
    steps : int

    Returns
    -------
    ndarray of int32, shape (h, w)
    """
    if steps == 0:
        return labels
    lowest = _lowest(labels, levels, int(labels.max(initial=0)))
    grown, spare = labels, np.empty_like(labels)
    for _ in range(steps):
        np.copyto(spare, grown)
        _grow_once(grown, dark, levels, lowest, spare)
        # the labels given stay as they are
        grown, spare = spare, np.empty_like(labels) if grown is labels else grown
    return grown


def fill_holes(labels: Int32Array) -> Int32Array:
    """Give holes that lie inside one object to that object.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)

    Returns
    -------
    ndarray of int32, shape (h, w)
        Pixels of other objects inside a hole stay theirs.
    """
    filled = labels.copy()
    box = boxes(labels)
    _fill(filled, box, _broken(labels, len(box)))
    return filled


def boxes(labels: Int32Array) -> Int32Array:
    """Bounding boxes (y0, x0, y1, x1), half open, of labels 1 to n.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)

    Returns
    -------
    ndarray of int32, shape (n, 4)
    """
    return np.asarray(_boxes(labels, int(labels.max(initial=0))), dtype=np.int32)


def find_seeds(labels: Int32Array, dark: Int32Array) -> Int32Array:
    """Darkest pixel (y, x) of each object, the first in raster order where several are.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    dark : ndarray of int32, shape (h, w)

    Returns
    -------
    ndarray of int32, shape (n, 2)
        (-1, -1) for labels without pixels.
    """
    return np.asarray(_seeds(labels, dark, int(labels.max(initial=0))), dtype=np.int32)


def renumber(labels: Int32Array, seeds: Int32Array) -> tuple[Int32Array, Int32Array]:
    """Number objects by their seeds in raster order, and drop labels without pixels.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    seeds : ndarray of int32, shape (n, 2)

    Returns
    -------
    labels : ndarray of int32, shape (h, w)
    seeds : ndarray of int32, shape (m, 2)
    """
    there = np.flatnonzero(seeds[:, 0] >= 0)
    order = there[np.lexsort((seeds[there, 1], seeds[there, 0]))]
    new = np.zeros(len(seeds) + 1, dtype=np.int32)
    new[order + 1] = np.arange(1, len(order) + 1, dtype=np.int32)
    return new[labels], np.ascontiguousarray(seeds[order])


@njit(cache=True, nogil=True)
def _lowest(labels: Int32Array, levels: UInt8Array, count: int) -> UInt8Array:
    lowest = np.full(count + 1, 255, np.uint8)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] > 0:
                lowest[labels[y, x]] = min(lowest[labels[y, x]], levels[y, x])
    return lowest


@njit(cache=True, nogil=True)
def _grow_once(
    labels: Int32Array, dark: Int32Array, levels: UInt8Array, lowest: UInt8Array, out: Int32Array
) -> None:
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0 or levels[y, x] == 0:
                continue
            up = labels[y - 1, x] if y > 0 else 0
            left = labels[y, x - 1] if x > 0 else 0
            right = labels[y, x + 1] if x < width - 1 else 0
            down = labels[y + 1, x] if y < height - 1 else 0
            if up | left | right | down == 0:
                continue
            best, twice = dark[y, x] - 1, 2 * levels[y, x]
            if up > 0 and dark[y - 1, x] > best and twice > lowest[up]:
                best, out[y, x] = dark[y - 1, x], up
            if left > 0 and dark[y, x - 1] > best and twice > lowest[left]:
                best, out[y, x] = dark[y, x - 1], left
            if right > 0 and dark[y, x + 1] > best and twice > lowest[right]:
                best, out[y, x] = dark[y, x + 1], right
            if down > 0 and dark[y + 1, x] > best and twice > lowest[down]:
                out[y, x] = down


@njit(cache=True, nogil=True)
def _boxes(labels: Int32Array, count: int) -> Int32Array:
    box = np.zeros((count, 4), np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0:
                row = box[label - 1]
                if row[2] == 0:
                    row[0], row[1], row[2], row[3] = y, x, y + 1, x + 1
                else:
                    row[1] = min(row[1], x)
                    row[2] = y + 1
                    row[3] = max(row[3], x + 1)
    return box


@njit(cache=True, nogil=True)
def _broken(labels: Int32Array, count: int) -> BoolArray:
    """Objects with a gap in one of their rows: no other can have a hole."""
    broken = np.zeros(count, np.bool_)
    row, last = np.full(count + 1, -1, np.int32), np.empty(count + 1, np.int32)
    for y in range(labels.shape[0]):
        before = np.int32(0)
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label != before:
                if before > 0:
                    row[before], last[before] = y, x
                if label > 0 and row[label] == y and last[label] < x:
                    broken[label - 1] = True
                before = label
        if before > 0:
            row[before], last[before] = y, labels.shape[1]
    return broken


@njit(cache=True, nogil=True)
def _fill(labels: Int32Array, box: Int32Array, broken: BoolArray) -> None:
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


@njit(cache=True, nogil=True)
def _seeds(labels: Int32Array, dark: Int32Array, count: int) -> Int32Array:
    seeds = np.full((count, 2), -1, np.int32)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label > 0:
                row = seeds[label - 1]
                if row[0] < 0 or dark[y, x] > dark[row[0], row[1]]:
                    row[0] = y
                    row[1] = x
    return seeds
