"""Labelled objects grow downhill, a pixel at a time, and are runs from then on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.join_rows import join, stay
from histoquant.objects.label_runs import in_turn
from histoquant.objects.loose_runs import LooseRuns, copy_row, note_runs, run_room
from histoquant.objects.marks import WORD, noted, turns_of, word_of
from histoquant.objects.prefetch import prefetch

Bits = npt.NDArray[np.uint64]
Int32Array = npt.NDArray[np.int32]
Labels = npt.NDArray[np.integer]
Int64Array = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]
_Three = tuple[IntArray, IntArray, IntArray]
_Rows = tuple[_Three, tuple[Labels, Labels, Labels], tuple[UInt8Array, UInt8Array, UInt8Array]]

# Labels up to here fit into 16 bits, of which three rows stay in the first cache.
_NARROW = 2**16 - 1
_HIGHEST = 255
# Bytes that come from memory at once, and rows that they are asked for ahead
_LINE, _AHEAD = 64, 3
_ALL = np.uint64(2**WORD - 1)
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


class _Seen(NamedTuple):
    """What a window shows, and what it holds at last."""

    labels: Labels
    dark: IntArray
    levels: UInt8Array
    held: Bits


class _Band(NamedTuple):
    """The last rows that were reached, each at its number less whole turns.

    Labels and gates are those before each step, from place `WORD` on, zeros around them.

    Attributes
    ----------
    labels : ndarray of uint16 or int32, shape (steps, rows, w + 3 * WORD)
    gates : ndarray of uint8, shape (steps, rows, w + 3 * WORD)
        Of the object that a pixel is in: 255 less the level that what joins must exceed.
    fresh : ndarray of uint64, shape (steps, rows, words + 2)
        Pixels that joined in the step before, at first those in objects; from place 1 on.
    last : ndarray of uint16 or int32, shape (w + 3 * WORD,)
        Labels of a row after the last step.
    dark, levels : ndarray, shape (3, w + 3 * WORD) and (w + 3 * WORD,)
        Of rows beyond which the window ends, with room around them.
    """

    labels: Labels
    gates: UInt8Array
    fresh: Bits
    last: Labels
    dark: IntArray
    levels: UInt8Array

    @classmethod
    def of(cls, width: int, steps: int, count: int, darkness: npt.DTypeLike) -> _Band:
        rows, room = 1 << (steps + 1).bit_length(), width + 3 * WORD
        kind: npt.DTypeLike = np.uint16 if count <= _NARROW else np.int32
        return cls(
            np.zeros((max(steps, 1), rows, room), kind),
            np.zeros((max(steps, 1), rows, room), np.uint8),
            np.zeros((max(steps, 1), rows, room // WORD + 1), np.uint64),
            np.zeros(room, kind),
            np.zeros((3, room), darkness),
            np.zeros(room, np.uint8),
        )


def grown(
    labels: Labels,
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
    labels : ndarray of uint16 or int32, shape (h, w)
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
    # what joins must exceed half of it
    gates = np.concatenate([[0], _HIGHEST - (lowest >> 1)]).astype(np.uint8)
    seen = _Seen(labels, np.ascontiguousarray(dark), np.ascontiguousarray(levels), held)
    start, spans, names = _grow(seen, gates, steps, _Band.of(width, steps, count, dark.dtype))
    return Grown(LooseRuns(start[:-1], start[1:], spans), names, held)


@njit(cache=True, nogil=True)
def _lowest(labels: Labels, levels: UInt8Array, count: int) -> UInt8Array:
    """Lowest level of labels 1 to so many."""
    lowest = np.full(count + 1, 255, np.uint8)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            if labels[y, x] > 0:
                lowest[labels[y, x]] = min(lowest[labels[y, x]], levels[y, x])
    return lowest[1:]


@njit(cache=True, nogil=True)
def _grow(
    seen: _Seen, gates: UInt8Array, steps: int, band: _Band
) -> tuple[Int64Array, Int32Array, Int32Array]:
    """All steps in one go down the rows: a step follows a row behind the one before."""
    height, width = seen.labels.shape
    found, n = np.empty((run_room(seen.labels.shape), 4), np.int32), 0
    columns = np.empty(width + 2 * WORD, np.int32)
    names, rank, met = np.empty(gates.size, np.int32), np.full(gates.size, -1, np.int32), 0
    rank[0] = 0
    for front in range(height + steps):
        _reach(seen, front, gates, band, columns)
        for step in range(steps):
            _step(seen, front - 1 - step, step, band)
        y = front - steps
        if y >= 0:
            while n + width > found.shape[0]:
                found = np.concatenate((found, np.empty_like(found)))
            row = band.last if steps > 0 else band.labels[0, y & (band.labels.shape[1] - 1)]
            k, met = note_runs(row[WORD - 1 :], y, columns, found[n:], rank, names, met)
            n += k
    start, spans = in_turn(found[:n], met)
    return start, spans, names[:met].copy()


@_kernel
def _reach(seen: _Seen, y: int, gates: UInt8Array, band: _Band, columns: Int32Array) -> None:
    """Take in a row; beyond the last one nothing is."""
    height, width = seen.labels.shape
    at = y & (band.labels.shape[1] - 1)
    row, fresh = band.labels[0, at], band.fresh[0, at]
    if y >= height:
        row[:] = 0
        fresh[:] = 0
        band.gates[0, at] = 0
        return
    copy_row(seen.labels[y], row[WORD : WORD + width])
    _open(row[WORD - 1 :], gates, columns, band.gates[0, at, WORD:])
    held = seen.held[y]
    for k in range(np.uint64(held.size - 1)):
        fresh[k + _ONE] = held[k] = word_of(row, (k + _ONE) * np.uint64(WORD))


@_kernel
def _open(row: Labels, gates: UInt8Array, columns: Int32Array, out: UInt8Array) -> None:
    """Set the gates of a row of labels, which begins at place 1."""
    turns = np.uint64(0)
    for start in range(np.uint64(0), np.uint64(row.size - 2 * WORD), np.uint64(WORD)):
        turns = noted(turns_of(row, start), start, turns, columns)
    out[:] = 0
    begin = 0
    for k in range(turns):
        end = columns[k]
        gate = gates[np.uint64(row[np.uint64(end)])]
        # many at once: those past the end are written over, the last ones by what lies between objects
        while begin < end:
            for x in range(np.uint64(begin), np.uint64(begin + WORD)):
                out[x] = gate
            begin += WORD
        begin = end
    for x in range(np.uint64(begin), np.uint64(begin + WORD)):
        out[x] = 0


@_kernel
def _step(seen: _Seen, y: int, step: int, band: _Band) -> None:
    """Let pixels of a row join."""
    height, width = seen.dark.shape
    last, after = band.labels.shape[1] - 1, step + 1
    at, over, under = y & last, (y - 1) & last, (y + 1) & last
    goes_on = after < band.labels.shape[0]
    if y >= height and goes_on:
        band.labels[after, at] = 0
        band.gates[after, at] = 0
        band.fresh[after, at] = 0
    if y < 0 or y >= height:
        return
    label, gate, fresh = band.labels[step, :, WORD:], band.gates[step, :, WORD:], band.fresh[step]
    # a word reaches past a row, and the pixel before the first is looked at
    dark = (seen.dark[max(y - 1, 0)], seen.dark[y], seen.dark[min(y + 1, height - 1)])
    level = seen.levels[y]
    if y == 0 or (y + 2) * width + 2 * WORD > seen.dark.size:
        dark, level = _apart(dark, level, band)
    rows = (dark, (label[over], label[at], label[under]), (gate[over], gate[at], gate[under]))
    beside = (fresh[over], fresh[at], fresh[under])
    if goes_on:
        out = (band.labels[after, at, WORD:], band.gates[after, at, WORD:])
        _join_row(seen, y, (rows, level), beside, out, band.fresh[after, at])
    else:
        # who joined last is asked for no more
        _join_row(seen, y, (rows, level), beside, (band.last[WORD:],), fresh[over])


@_kernel
def _apart(dark: _Three, level: UInt8Array, band: _Band) -> tuple[_Three, UInt8Array]:
    """The same rows where there is something before and after them."""
    for k in range(3):
        copy_row(dark[k], band.dark[k, WORD:])
    copy_row(level, band.levels[WORD:])
    return (band.dark[0, WORD:], band.dark[1, WORD:], band.dark[2, WORD:]), band.levels[WORD:]


@_kernel
def _join_row(
    seen: _Seen,
    y: int,
    looked_at: tuple[_Rows, UInt8Array],
    beside: tuple[Bits, Bits, Bits],
    out: tuple[Labels, ...],
    fresh: Bits,
) -> None:
    """Let pixels join beside those that have just joined: no other object lets them that did not before."""
    rows, level = looked_at
    above, here, below = beside
    held, last = seen.held[y], np.uint64(seen.held.shape[1] - 2)
    ahead = np.uint64(min(y + _AHEAD, seen.dark.shape[0] - 1))
    for k in range(last + _ONE):
        at, x = k + _ONE, k * np.uint64(WORD)
        if len(out) > 1:
            _fetch(seen, ahead, x)
        word = np.uint64(0)
        if above[at] | here[at] | below[at] | (here[k] >> _TOP) | (here[at + _ONE] << _TOP):
            beyond = np.uint64(-seen.dark.shape[1] % WORD) if k == last else np.uint64(0)
            word = join(rows, level, x, ~held[k] & (_ALL >> beyond), out)
            held[k] |= word
        else:
            stay(rows, x, out)
        fresh[at] = word


@_kernel
def _fetch(seen: _Seen, y: int, x: int) -> None:
    """Have the next pixels of a row brought, bit by bit: all at once would be waited for."""
    for more in range(np.uint64(0), np.uint64(WORD), np.uint64(_LINE // seen.labels.itemsize)):
        prefetch(seen.labels, y, x + more)
    for more in range(np.uint64(0), np.uint64(WORD), np.uint64(_LINE // seen.dark.itemsize)):
        prefetch(seen.dark, y, x + more)
    prefetch(seen.levels, y, x)
