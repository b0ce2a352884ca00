"""Outlines of labelled objects as closed polygons along pixel edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import UsageError
from histoquant.objects.label_runs import LabelRuns, is_stack

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]

_LARGEST = np.iinfo(np.int16).max
# Unsigned, as places are: a signed one would be asked at each use whether it is negative.
_ONE = np.uint64(1)


class Outlines(NamedTuple):
    """Polygons of labels 1 to n, one after the other.

    Attributes
    ----------
    offsets : ndarray of int32, shape (n + 1,)
        Polygon ``i`` is ``corners[offsets[i]:offsets[i + 1]]``.
    corners : ndarray of int16, shape (k, 2)
        (x, y) of pixel corners, clockwise on the screen; pixel (0, 0) spans 0 to 1. The last corner joins
        the first, which is the upper left corner of the object's first raster pixel.
    """

    offsets: Int32Array
    corners: Int16Array

    def polygon(self, index: int) -> Int16Array:
        """Corners (k, 2) of one object, counted from 0."""
        return self.corners[self.offsets[index] : self.offsets[index + 1]]


def outlines(labels: Int32Array, rows: npt.NDArray[np.integer] | None = None) -> Outlines:
    """Outer boundary of objects.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        4-connected objects; of an object in several pieces the first is traced.
    rows : ndarray of int, shape (n,), optional
        Which labels to trace, counted from 0; all when left out.

    Returns
    -------
    Outlines
        A polygon for each of them, in their order.

    Raises
    ------
    UsageError
        If the window is wider or higher than int16 coordinates allow.
    """
    return outlines_of(LabelRuns.of_all(labels), labels.shape, rows)


def outlines_of(
    runs: LabelRuns, shape: tuple[int, ...], rows: npt.NDArray[np.integer] | None = None
) -> Outlines:
    """As `outlines`, of objects whose runs are known, in a window of this shape."""
    if max(shape) > _LARGEST:
        raise UsageError(f"outlines need windows of at most {_LARGEST} pixels a side, got {shape}")
    wanted = np.arange(len(runs.start) - 1) if rows is None else np.asarray(rows)
    corners, offsets = _trace_all(runs, wanted.astype(np.int64))
    return Outlines(offsets, corners)


@njit(cache=True, nogil=True)
def _trace_all(runs: LabelRuns, wanted: Int64Array) -> tuple[Int16Array, Int32Array]:
    offsets = np.zeros(wanted.size + 1, np.int32)
    corners = np.empty((64 * wanted.size + 1024, 2), np.int16)
    mask = np.zeros(1024, np.uint8)
    n = 0
    for i in range(wanted.size):
        spans = runs.spans[runs.start[wanted[i]] : runs.start[wanted[i] + 1]]
        while n + 4 * spans.shape[0] > corners.shape[0]:
            corners = np.concatenate((corners, np.empty_like(corners)))
        if spans.shape[0] > 0 and is_stack(spans):
            n += _down_and_up(spans, corners[n:])
        elif spans.shape[0] > 0:
            top, left, stride, room = _frame(spans)
            if room > mask.size:
                mask = np.zeros(2 * room, np.uint8)
            # no pixel has more than four corners
            while n + 4 * room > corners.shape[0]:
                corners = np.concatenate((corners, np.empty_like(corners)))
            _paint(spans, (top, left), stride, 1, mask)
            n += _walk(mask, stride, (spans[0, 0] - top, spans[0, 1] - left), corners[n:])
            for k in range(offsets[i], n):
                corners[k, 0] += left
                corners[k, 1] += top
            _paint(spans, (top, left), stride, 0, mask)
        offsets[i + 1] = n
    return corners[:n].copy(), offsets


@njit(cache=True, nogil=True)
def _down_and_up(spans: Int32Array, corners: Int16Array) -> int:
    """The path around such an object, down its right side and up its left one; how many corners it has.

    Whether a side steps is asked of nobody: both corners of a step are written down, to be written over.
    """
    top, rows = spans[0, 0], np.uint64(spans.shape[0])
    x = spans[0, 2]
    corners[0, 0], corners[0, 1] = spans[0, 1], top
    corners[1, 0], corners[1, 1] = x, top
    n = np.uint64(2)
    for k in range(_ONE, rows):
        n = _step_aside(corners, n, x, spans[k, 2], spans[k, 0])
        x = spans[k, 2]
    n = _step_aside(corners, n, x, spans[rows - _ONE, 1], spans[rows - _ONE, 0] + 1)
    for k in range(_ONE, rows):
        below = rows - k
        n = _step_aside(corners, n, spans[below, 1], spans[below - _ONE, 1], spans[below, 0])
    return int(n)


@njit(cache=True, nogil=True)
def _step_aside(corners: Int16Array, n: np.uint64, x: int, to: int, y: int) -> np.uint64:
    corners[n, 0], corners[n, 1] = x, y
    corners[n + _ONE, 0], corners[n + _ONE, 1] = to, y
    return np.uint64(n + np.uint64(2 * (x != to)))


@njit(cache=True, nogil=True)
def _frame(spans: Int32Array) -> tuple[int, int, int, int]:
    """First row and column of an object's box with a pixel around it, its width, and its area."""
    top, bottom = int(spans[0, 0]) - 1, int(spans[-1, 0]) + 2
    left, right = int(spans[0, 1]), int(spans[0, 2])
    for k in range(spans.shape[0]):
        left, right = min(left, spans[k, 1]), max(right, spans[k, 2])
    stride = right - left + 2
    return top, left - 1, stride, (bottom - top) * stride


@njit(cache=True, nogil=True)
def _paint(spans: Int32Array, corner: tuple[int, int], stride: int, value: int, mask: UInt8Array) -> None:
    """An object's pixels in its box, row after row."""
    top, left = corner
    for k in range(spans.shape[0]):
        row = (spans[k, 0] - top) * stride - left
        for place in range(np.uint64(row + spans[k, 1]), np.uint64(row + spans[k, 2])):
            mask[place] = value


@njit(cache=True, nogil=True)
def _walk(mask: UInt8Array, stride: int, start: tuple[int, int], corners: Int16Array) -> int:
    """Walk pixel edges with the object on the right; returns how many corners the path has.

    Whether it turns is asked of nobody: every place is written down, over the one before if that was none.
    """
    # steps to the right, down, left and up, and the pixels ahead of a corner on both sides of the way
    step = (1, stride, -1, -stride)
    ahead_left, ahead_right = (-stride, 0, -1, -stride - 1), (0, -1, -stride - 1, -stride)
    y, x = start
    begin = place = y * stride + x
    way = count = 0
    turned = 1
    while True:
        corners[count, 0], corners[count, 1] = x, y
        count += turned
        place += step[way]
        x += (way == 0) - (way == 2)
        y += (way == 1) - (way == 3)
        left = int(mask[np.uint64(place + ahead_left[way])])
        right = int(mask[np.uint64(place + ahead_right[way])])
        turn = 1 - right - (left & right)
        turned = turn & 1
        way = (way + turn) & 3
        if place == begin and way == 0:
            return count
