"""Small repairs of labelled objects: fill, renumber."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.growing import Grown
from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.lanes import LARGE, draw, pieces
from histoquant.objects.loose_runs import LooseRuns, box_of
from histoquant.objects.marks import WORD

Bits = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
IntpArray = npt.NDArray[np.intp]


def fill_holes(grown: Grown) -> LooseRuns:
    """Give holes that lie inside one object to that object.

    Parameters
    ----------
    grown : Grown
        Objects, each a connected set of pixels (along edges or corners). Of a hole in a hole the lower label
        gets the pixels; those of other objects inside a hole stay theirs. What is filled is marked as held.

    Returns
    -------
    LooseRuns
        The same objects without their holes.
    """
    holed = _holed(grown.runs)
    if holed.size == 0:
        return grown.runs
    holed = holed[np.argsort(grown.names[holed])]
    more, counts = _fill(grown.runs, holed, grown.held)
    return grown.runs.changed(holed, more, counts)


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


def order_of(seeds: IntArray, width: int) -> IntpArray:
    """Order in which places (y, x), of which no two are the same, lie in a window of this width."""
    return np.argsort(seeds[:, 0].astype(np.int64) * width + seeds[:, 1])


@njit(cache=True, nogil=True)
def _holed(runs: LooseRuns) -> Int64Array:
    """Objects with a hole, and those too large to be sure."""
    rows = np.empty((1, LARGE + 2), np.uint64)
    holed, count = np.empty(runs.first.size, np.int64), 0
    for i in range(runs.first.size):
        own = runs.spans[runs.first[i] : runs.last[i]]
        if _is_broken(own):
            top, left, bottom, right = box_of(own)
            fits = max(bottom - top, right - left) <= LARGE
            if fits:
                draw(own, top, left, rows[0])
            holed[count] = i
            count += int(not fits or pieces(rows, 0) != 1)
    return holed[:count]


@njit(cache=True, nogil=True)
def _is_broken(own: Int32Array) -> bool:
    """Whether two runs lie in one row: no other object has a hole."""
    again = 0
    for k in range(np.uint64(1), np.uint64(own.shape[0])):
        again += own[k, 0] == own[k - np.uint64(1), 0]
    return again > 0


@njit(cache=True, nogil=True)
def _fill(runs: LooseRuns, holed: Int64Array, held: Bits) -> tuple[Int32Array, Int64Array]:
    """Fill; runs of the objects, one after the other, and how many each has."""
    more, n, counts = np.empty((1024, 3), np.int32), 0, np.zeros(holed.size, np.int64)
    for k in range(holed.size):
        own = runs.spans[runs.first[holed[k]] : runs.last[holed[k]]]
        y0, x0, y1, x1 = box_of(own)
        part = np.zeros((y1 - y0, x1 - x0), np.uint8)
        draw_runs(own, y0, x0, part)
        size, stride = (y1 - y0 + 4) * (x1 - x0 + 4), x1 - x0 + 4
        patch = np.zeros(size, np.uint8)
        _frame(part, patch)
        _flood_outside(patch, stride, np.empty(size, np.int32))
        for y in range(part.shape[0]):
            for x in range(part.shape[1]):
                word, bit = (x0 + x) // WORD, np.uint64(1) << np.uint64((x0 + x) % WORD)
                if patch[(y + 2) * stride + x + 2] == 0 and held[y0 + y, word] & bit == 0:
                    part[y, x] = 1
                    held[y0 + y, word] |= bit
        while n + part.size > more.shape[0]:
            more = np.concatenate((more, np.empty_like(more)))
        counts[k] = runs_within(part, 1, y0, x0, more[n:])
        n += counts[k]
    return more[:n].copy(), counts


@njit(cache=True, nogil=True)
def draw_runs(own: Int32Array, y0: int, x0: int, part: UInt8Array) -> None:
    """Set the pixels of runs in a part of a window that begins at ``y0``, ``x0``."""
    for k in range(own.shape[0]):
        part[own[k, 0] - y0, own[k, 1] - x0 : own[k, 2] - x0] = 1


@njit(cache=True, nogil=True)
def runs_within(part: IntArray, label: int, y0: int, x0: int, out: Int32Array) -> int:
    """Runs of a label in a part of an image that begins at ``y0``, ``x0``; how many."""
    n = 0
    for y in range(part.shape[0]):
        before = False
        for x in range(part.shape[1]):
            here = part[y, x] == label
            if here and not before:
                out[n, 0], out[n, 1] = y0 + y, x0 + x
                n += 1
            if here:
                out[n - 1, 2] = x0 + x + 1
            before = here
    return n


@njit(cache=True, nogil=True)
def _frame(part: UInt8Array, patch: UInt8Array) -> None:
    """An object's pixels in a free frame that a shut one surrounds."""
    height, stride = part.shape[0], part.shape[1] + 4
    patch[:stride] = 1
    patch[patch.size - stride :] = 1
    for y in range(height + 4):
        patch[y * stride] = patch[(y + 1) * stride - 1] = 1
    for y in range(height):
        patch[(y + 2) * stride + 2 : (y + 3) * stride - 2] = part[y]


@njit(cache=True, nogil=True)
def _flood_outside(patch: UInt8Array, stride: int, stack: Int32Array) -> None:
    """Shut what is reached along edges from the free frame."""
    stack[0] = stride + 1
    patch[stride + 1] = 1
    top = 1
    while top > 0:
        top -= 1
        place = stack[top]
        for beside in (place - stride, place - 1, place + 1, place + stride):
            if patch[np.uint64(beside)] == 0:
                patch[np.uint64(beside)] = 1
                stack[top] = beside
                top += 1
