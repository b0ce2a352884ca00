"""Labelled objects grow downhill, a pixel at a time, and are runs from then on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import in_turn
from histoquant.objects.loose_runs import LooseRuns, copy_row, note_runs, run_room
from histoquant.objects.marks import WORD, noted, word_of

Bits = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]
Labels = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]

# Labels up to here fit into 16 bits, of which three rows stay in the first cache.
_NARROW = 2**16 - 1
# No level exceeds it
_NEVER = 255
# What joins in a row: columns and labels
_COLUMN, _LABEL = range(2)
_ONE = np.uint64(1)
_TOP = np.uint64(WORD - 1)

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Grown(NamedTuple):
    """Objects that have grown.

    Attributes
    ----------
    runs : LooseRuns
        In the order in which their first pixels are met.
    names : ndarray of int32, shape (n,)
        Label of each; labels without pixels are left out.
    held : ndarray of uint64, shape (h, words + 1)
        As `LooseRuns.bits`.
    """

    runs: LooseRuns
    names: Int32Array
    held: Bits


class _Band(NamedTuple):
    """The last rows that were reached, each at its number less whole turns.

    Attributes
    ----------
    labels : ndarray of uint16 or int32, shape (rows, w + 2 * WORD)
        From place 1 on, zeros around them.
    fresh : ndarray of uint64, shape (steps + 1, rows, words)
        Pixels in objects, then those that joined in each step.
    free : ndarray of uint64, shape (rows, words)
        Pixels in none that may be.
    joined : ndarray of int32, shape (steps, 2, 2, w + 2 * WORD)
        Columns and labels of what joined in a row, of two rows of each step.
    counts : ndarray of int64, shape (steps, 2)
        How many did.
    marks : ndarray of uint8, shape (words * WORD,)
        Of the row that is looked at: whether a pixel joins; 0 between.
    """

    labels: Labels
    fresh: Bits
    free: Bits
    joined: Int32Array
    counts: Int64Array
    marks: UInt8Array

    @classmethod
    def of(cls, width: int, steps: int, count: int) -> _Band:
        rows, words = 1 << (2 * steps + 2).bit_length(), (width + WORD - 1) // WORD
        kind: npt.DTypeLike = np.uint16 if count <= _NARROW else np.int32
        return cls(
            np.zeros((rows, width + 2 * WORD), kind),
            np.zeros((steps + 1, rows, words), np.uint64),
            np.zeros((rows, words), np.uint64),
            np.empty((steps, 2, 2, width + 2 * WORD), np.int32),
            np.zeros((steps, 2), np.int64),
            np.zeros(words * WORD, np.uint8),
        )


def grown(
    labels: Int32Array,
    dark: IntArray,
    levels: UInt8Array,
    steps: int,
    count: int | None = None,
    lowest: UInt8Array | None = None,
) -> Grown:
    """Grow objects downhill, a pixel per step, down to half the lowest level they hold.

    A free pixel joins the darkest of its four neighbours that is in an object and at least as dark as
    itself; of equally dark ones the first in the order up, left, right, down.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        They stay as they are.
    dark : ndarray of int16 or int32, shape (h, w)
        Not negative.
    levels : ndarray of uint8, shape (h, w)
        0 where nothing may grow.
    steps : int
    count : int, optional
        Largest label, where it is known already.
    lowest : ndarray of uint8, shape (n,), optional
        Lowest levels of all labels, where they are known already.

    Returns
    -------
    Grown
    """
    count = int(labels.max(initial=0)) if count is None else count
    height, width = labels.shape
    held = np.zeros((height, (width + WORD - 1) // WORD + 1), np.uint64)
    if lowest is None:
        lowest = _lowest(labels, levels, count)
    # half of it, which what joins must exceed; what is in no object never grows
    floors = np.concatenate([[_NEVER], lowest >> 1]).astype(np.uint8)
    band = _Band.of(width, steps, count)
    start, spans, names = _grow(labels, dark, np.ascontiguousarray(levels), floors, band, held)
    return Grown(LooseRuns(start[:-1], start[1:], spans), names, held)


@njit(cache=True, nogil=True)
def _lowest(labels: Int32Array, levels: UInt8Array, count: int) -> UInt8Array:
    """Lowest level of labels 1 to so many."""
    lowest = np.full(count + 1, 255, np.uint8)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] > 0:
                lowest[labels[y, x]] = min(lowest[labels[y, x]], levels[y, x])
    return lowest[1:]


@njit(cache=True, nogil=True)
def _grow(
    labels: Int32Array, dark: IntArray, levels: UInt8Array, floors: UInt8Array, band: _Band, held: Bits
) -> tuple[Int64Array, Int32Array, Int32Array]:
    """All steps in one go down the rows: a step follows two rows behind the one before.

    What was in an object before the last step and let a pixel not join then never will: only what is beside a
    pixel that has just joined is looked at.
    """
    height, width = labels.shape
    steps = band.counts.shape[0]
    found, n = np.empty((run_room(labels.shape), 4), np.int32), 0
    columns = np.empty(width + 2 * WORD, np.int32)
    names, rank, met = np.empty(floors.size, np.int32), np.full(floors.size, -1, np.int32), 0
    rank[0] = 0
    for front in range(height + 2 * steps):
        _reach(labels, levels, front, band, held)
        for step in range(steps):
            _step(dark, levels, floors, front - 1 - 2 * step, step, band, held)
        y = front - 2 * steps
        if y >= 0:
            while n + width > found.shape[0]:
                found = np.concatenate((found, np.empty_like(found)))
            row = band.labels[y & (band.labels.shape[0] - 1)]
            k, met = note_runs(row, y, columns, found[n:], rank, names, met)
            n += k
    start, spans = in_turn(found[:n], met)
    return start, spans, names[:met].copy()


@_kernel
def _reach(labels: Int32Array, levels: UInt8Array, y: int, band: _Band, held: Bits) -> None:
    """Take in a row; beyond the last one nothing is."""
    height, width = labels.shape
    at = y & (band.labels.shape[0] - 1)
    row, free, fresh = band.labels[at], band.free[at], band.fresh[0, at]
    if y >= height:
        row[:] = 0
        fresh[:] = 0
        return
    copy_row(labels[y], row[1 : width + 1])
    level = levels[y]
    for k in range(np.uint64(free.size)):
        start = k * np.uint64(WORD)
        fresh[k] = held[y, k] = word_of(row, start + _ONE)
        if start + np.uint64(WORD) <= np.uint64(width):
            free[k] = word_of(level, start) & ~fresh[k]
        else:
            free[k] = 0
            for x in range(start, np.uint64(width)):
                free[k] |= np.uint64(level[x] != 0) << (x - start)
            free[k] &= ~fresh[k]


@_kernel
def _step(
    dark: IntArray, levels: UInt8Array, floors: UInt8Array, y: int, step: int, band: _Band, held: Bits
) -> None:
    """Let pixels of a row join, and write down what joined in the row above, which the row must not see."""
    height, last = levels.shape[0], band.labels.shape[0] - 1
    at, parity = y & last, y & 1
    if 0 <= y < height:
        joined, free = band.joined[step, parity], band.free[at]
        asked = _beside(band, step, y, joined[_COLUMN])
        rows = (band.labels[(y - 1) & last], band.labels[at], band.labels[(y + 1) & last])
        darkness = (dark[max(y - 1, 0)], dark[y], dark[min(y + 1, height - 1)])
        band.counts[step, parity] = _join(rows, darkness, levels[y], floors, asked, joined, band.marks)
        fresh = band.fresh[step + 1, at]
        for k in range(np.uint64(free.size)):
            fresh[k] = word_of(band.marks, k * np.uint64(WORD))
            free[k] &= ~fresh[k]
            held[y, k] |= fresh[k]
        band.marks[:] = 0
    elif y == height:
        band.fresh[step + 1, at] = 0
    if 0 < y <= height:
        row, before = band.labels[(y - 1) & last], band.joined[step, 1 - parity]
        for k in range(band.counts[step, 1 - parity]):
            row[np.uint64(before[_COLUMN, k] + 1)] = before[_LABEL, k]


@_kernel
def _beside(band: _Band, step: int, y: int, columns: Int32Array) -> np.uint64:
    """Note free pixels of a row beside what has just joined; how many there are."""
    last = band.labels.shape[0] - 1
    fresh, free = band.fresh[step], band.free[y & last]
    above, here, under = fresh[(y - 1) & last], fresh[y & last], fresh[(y + 1) & last]
    count, end = np.uint64(0), np.uint64(free.size - 1)
    for k in range(np.uint64(free.size)):
        word = here[k]
        beside = above[k] | under[k] | (word << _ONE) | (word >> _ONE)
        if k > 0:
            beside |= here[k - _ONE] >> _TOP
        if k < end:
            beside |= here[k + _ONE] << _TOP
        count = noted(beside & free[k], k * np.uint64(WORD), count, columns)
    return count


@_kernel
def _join(
    rows: tuple[Labels, Labels, Labels],
    darkness: tuple[IntArray, IntArray, IntArray],
    levels: UInt8Array,
    floors: UInt8Array,
    asked: np.uint64,
    joined: Int32Array,
    marks: UInt8Array,
) -> int:
    """Which of the noted pixels join which object, in place of the notes; how many do.

    Keys and no branches: whether an object is chosen is as likely as not.
    """
    column, label = joined
    above, here, under = rows
    count = np.uint64(0)
    for k in range(asked):
        x = np.uint64(column[k])
        # at the window's edge a pixel meets itself, and is in no object
        left, right = np.uint64(max(int(x) - 1, 0)), np.uint64(min(int(x) + 1, levels.size - 1))
        beside = (under[x + _ONE], here[x + np.uint64(2)], here[x], above[x + _ONE])
        level, own = int(levels[x]), int(darkness[1][x])
        most = max(
            max(
                _key(beside[3], darkness[0][x], 3, level, floors),
                _key(beside[2], darkness[1][left], 2, level, floors),
            ),
            max(
                _key(beside[1], darkness[1][right], 1, level, floors),
                _key(beside[0], darkness[2][x], 0, level, floors),
            ),
        )
        way, joins = most & 3, most >= own << 2
        best = np.int32(0)
        for turn in range(4):
            best |= beside[turn] & -np.int32(way == turn)
        column[count], label[count] = x, best & -np.int32(joins)
        marks[x] = joins
        count += np.uint64(joins)
    return int(count)


@_kernel
def _key(label: int, dark: int, turn: int, level: int, floors: UInt8Array) -> int:
    """Darkness, then turn, as one number; -1 if the object lets nothing of this level join."""
    return ((int(dark) << 2) | turn) | (int(level > floors[np.uint32(label)]) - 1)
