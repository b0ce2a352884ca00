"""Pixels around nuclei: whose they are, what they are to that cell, and which stained object lies there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.cell_kinds import Reaches, limits_of, tell_row
from histoquant.objects.label_runs import LabelRuns, in_turn
from histoquant.objects.marks import WORD, noted, turns_of
from histoquant.objects.nearest import UNIT, Blocks, Box, KeyArray, Keys, Room, blocks_of, share_block
from histoquant.objects.planes import Planes
from histoquant.objects.stained import LARGE, LINK_UM, StainedObjects

BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]


class Surroundings(NamedTuple):
    """What is asked of the pixels of chosen cells.

    Attributes
    ----------
    kinds : ndarray of uint8, shape (h, w)
        As `tell_row` makes them; not set where no chosen cell is near.
    runs : LabelRuns
        Valid pixels of each cell: its nucleus and what is nearer to it than to another, within reach; of
        equally near nuclei the first has it. In no order.
    linked : ndarray of int64, shape (n,)
        Row of the largest stained object that has pixels of the cell within 2 um of its nucleus, the first
        of equals; -1 without one.
    """

    kinds: UInt8Array
    runs: LabelRuns
    linked: Int64Array


class _Seen(NamedTuple):
    """A window, and what is wanted of it.

    Attributes
    ----------
    valid : ndarray of bool, shape (h, w), or (1, w) for all rows
    numbers : ndarray of int32, shape (n + 1,)
        Place of each nucleus among the chosen; -1 for none.
    limits : ndarray of uint16 or int64
        From `limits_of`.
    rim_px : int
        As for `tell_row`.
    """

    valid: BoolArray
    numbers: Int32Array
    limits: KeyArray
    rim_px: int


class _Links(NamedTuple):
    """Stained runs, their objects and sizes; the last key that is near; the best object of each nucleus."""

    rows: Int64Array
    spans: Int32Array
    of_run: Int32Array
    size: Int64Array
    last: int
    best: Int64Array


def surroundings_of(
    planes: Planes,
    nuclei: LabelRuns,
    chosen: npt.NDArray[np.integer],
    reaches: Reaches,
    stained: StainedObjects | None = None,
) -> Surroundings:
    """Tell the pixels around some of the nuclei of a window; only where their cells may reach is looked.

    Parameters
    ----------
    planes : Planes
    nuclei : LabelRuns
        All nuclei of the window.
    chosen : ndarray of int, shape (n,)
        Those whose cells are wanted, counted from 0, ascending.
    reaches : Reaches
    stained : StainedObjects, optional
        Of the same window.

    Returns
    -------
    Surroundings
        In the order of ``chosen``.
    """
    # and one for nobody
    numbers = np.full(len(nuclei.start), -1, np.int32)
    numbers[chosen] = np.arange(len(chosen), dtype=np.int32)
    link = round(LINK_UM / planes.mpp * UNIT)
    reach = max(reaches.ring, reaches.close, reaches.around, reaches.cytoplasm, link)
    blocks, keys, room = blocks_of(nuclei, chosen, planes.shape, reach, reaches.rim)
    limits = limits_of(reaches, keys, room.keys.dtype)
    seen = _Seen(planes.known, numbers, limits, reaches.rim)
    last, best = ((link + 1) << keys.bits) - 1, np.full(len(numbers), -1, np.int64)
    links = _Links(*_linkable(planes.shape[0], stained), last, best)
    kinds = np.empty(planes.shape, np.uint8)
    found = _tell(blocks, keys, room, seen, links, kinds)
    return Surroundings(kinds, LabelRuns(*in_turn(found, len(chosen))), best[chosen])


def _linkable(
    height: int, stained: StainedObjects | None
) -> tuple[Int64Array, Int32Array, Int32Array, Int64Array]:
    """Stained runs, the object of each, and how large each object counts."""
    if stained is None:
        nothing = np.empty(0, np.int32)
        return np.zeros(height + 1, np.int64), np.empty((0, 2), np.int32), nothing, nothing.astype(np.int64)
    runs = stained.at_threshold
    # too large goes before every area
    size = np.where(stained.pixels == LARGE, np.int64(1) << 40, stained.pixels)
    return runs.rows, runs.spans, stained.of_run, size


@njit(cache=True, nogil=True)
def _tell(
    blocks: Blocks, keys: Keys, room: Room, seen: _Seen, links: _Links, kinds: UInt8Array
) -> Int32Array:
    """Kinds of all blocks; and runs (number, row, first column, one past the last) of the chosen."""
    # cells have about twice as many runs as their nuclei
    found, count = np.empty((3 * blocks.runs.spans.shape[0] + 1, 4), np.int32), 0
    top, first, _, end = blocks.area
    for row in range(blocks.first.size - 1):
        height = 0
        for left in range(first, end, blocks.columns):
            height = share_block(blocks, keys, room, row, left)
            box = (top, left, top + height, min(left + blocks.columns, end))
            while count + height * blocks.columns > found.shape[0]:
                found = np.concatenate((found, np.empty_like(found)))
            _tell_block(box, keys, room, seen, kinds)
            count = _find_runs(box, keys, room, seen, found, count)
            _link(box, keys, room, links)
        top += height
    return found[:count]


@njit(cache=True, nogil=True)
def _tell_block(box: Box, keys: Keys, room: Room, seen: _Seen, kinds: UInt8Array) -> None:
    top, left, bottom, right = box
    rim, width, rows = seen.rim_px, right - left, room.keys
    other = np.empty(width, rows.dtype)
    first, last = keys.column - rim, keys.column + width + rim
    for y in range(top, bottom):
        k = y - top + keys.row
        # row by row: only then the compiler knows that pixels lie side by side
        beside = (rows[k - rim, first:last], rows[k, first:last], rows[k + rim, first:last])
        tell_row(beside, seen.limits, other, kinds[y, left:right])


@njit(cache=True, nogil=True)
def _find_runs(box: Box, keys: Keys, room: Room, seen: _Seen, found: Int32Array, count: int) -> int:
    """Write down the runs of chosen cells; how many there are then."""
    top, left, bottom, right = box
    width, at, farthest = right - left, np.uint64(count), ((keys.reach + 1) << keys.bits) - 1
    owner, columns = _row_of(width, room)
    last = seen.valid.shape[0] - 1
    for y in range(top, bottom):
        near = room.keys[y - top + keys.row, keys.column : keys.column + width]
        _number(near, keys, farthest, owner[1 : width + 1])
        _drop(seen.valid[min(y, last), left:right], owner[1 : width + 1])
        begin = left
        for k in range(_turns(owner, columns)):
            end = left + columns[k]
            run, number = found[at], np.uint64(owner[np.uint64(columns[k])])
            held = seen.numbers[np.uint64(room.objects[number])]
            run[0], run[1], run[2], run[3] = held, y, begin, end
            # what is not asked for is written over
            at += np.uint64(held >= 0)
            begin = end
    return int(at)


@njit(cache=True, nogil=True)
def _row_of(width: int, room: Room) -> tuple[KeyArray, Int32Array]:
    """Room for the numbers of a row, from place 1 on with zeros around them, and for where they change."""
    return np.zeros(width + 2 * WORD, room.keys.dtype), np.empty(width + 2 * WORD, np.int32)


@njit(cache=True, nogil=True)
def _number(near: KeyArray, keys: Keys, farthest: int, owner: KeyArray) -> None:
    """Number of the object that is nearest to each pixel; 0 where it is farther than a key."""
    key = near.dtype.type
    number, most = key((1 << keys.bits) - 1), key(farthest)
    for x in range(owner.size):
        owner[x] = near[x] & number if near[x] <= most else key(0)


@njit(cache=True, nogil=True)
def _drop(valid: BoolArray, owner: KeyArray) -> None:
    """The slide may have no pixel there."""
    for x in range(owner.size):
        owner[x] = owner[x] if valid[x] else owner.dtype.type(0)


@njit(cache=True, nogil=True)
def _turns(owner: KeyArray, columns: Int32Array) -> np.uint64:
    """Note after which pixels of a row another number follows; how many there are."""
    turns = np.uint64(0)
    for start in range(np.uint64(0), np.uint64(owner.size - WORD), np.uint64(WORD)):
        turns = noted(turns_of(owner, start), start, turns, columns)
    return turns


@njit(cache=True, nogil=True)
def _link(box: Box, keys: Keys, room: Room, links: _Links) -> None:
    """Take the best stained object of each nucleus so far."""
    top, left, bottom, right = box
    width = right - left
    owner, columns = _row_of(width, room)
    for y in range(top, bottom):
        if links.rows[y] == links.rows[y + 1]:
            continue
        near = room.keys[y - top + keys.row, keys.column : keys.column + width]
        _number(near, keys, links.last, owner[1 : width + 1])
        turns, k = _turns(owner, columns), np.uint64(0)
        columns[turns] = width
        for i in range(np.uint64(links.rows[y]), np.uint64(links.rows[y + 1])):
            begin, end = max(links.spans[i, 0], left) - left, min(links.spans[i, 1], right) - left
            if begin >= end:
                continue
            _take(links, links.of_run[i], room.objects[np.uint64(owner[np.uint64(begin + 1)])])
            while columns[k] <= begin:
                k += np.uint64(1)
            while columns[k] < end:
                _take(links, links.of_run[i], room.objects[np.uint64(owner[np.uint64(columns[k] + 1)])])
                k += np.uint64(1)


@njit(cache=True, nogil=True)
def _take(links: _Links, found: int, nucleus: int) -> None:
    """Take an object for a nucleus, or for nobody, if it is larger than the one so far."""
    size, best, at = links.size, links.best, np.uint64(nucleus)
    held = best[at]
    if held < 0 or size[found] > size[held] or (size[found] == size[held] and found < held):
        best[at] = found
