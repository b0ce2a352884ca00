"""Pixels around nuclei: whose they are, what they are to that cell, and which stained object lies there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.cell_kinds import Reaches, limits_of, tell_row
from histoquant.objects.label_runs import LabelRuns, in_turn, mark_ends
from histoquant.objects.marks import WORD, places
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
    valid : ndarray of bool, shape (h, w)
    numbers : ndarray of int32, shape (n,)
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
    numbers = np.full(len(nuclei.start) - 1, -1, np.int32)
    numbers[chosen] = np.arange(len(chosen), dtype=np.int32)
    link = round(LINK_UM / planes.mpp * UNIT)
    reach = max(reaches.ring, reaches.close, reaches.around, reaches.cytoplasm, link)
    blocks, keys, room = blocks_of(nuclei, chosen, planes.shape, reach, reaches.rim)
    limits = limits_of(reaches, keys, room.keys.dtype)
    seen = _Seen(planes.valid, numbers, limits, reaches.rim)
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
    width, at = right - left, np.uint64(count)
    owner = np.empty(width, room.keys.dtype)
    ends, columns = np.zeros(width + WORD, np.uint8), np.empty(width + WORD, np.int32)
    for y in range(top, bottom):
        near = room.keys[y - top + keys.row, keys.column : keys.column + width]
        _number(near, keys, seen.valid[y, left:right], owner)
        mark_ends(owner, ends)
        begin = left
        for k in range(np.uint64(places(ends, width, columns))):
            last = int(columns[k])
            number = np.uint64(owner[np.uint64(last)])
            held = seen.numbers[room.objects[number]] if number > 0 else -1
            found[at, 0], found[at, 1], found[at, 2], found[at, 3] = held, y, begin, left + last + 1
            # what is not asked for is written over
            at += np.uint64(held >= 0)
            begin = left + last + 1
    return int(at)


@njit(cache=True, nogil=True)
def _number(near: KeyArray, keys: Keys, valid: BoolArray, owner: KeyArray) -> None:
    """Number of the object that owns each pixel; 0 where none does or the slide has no pixel."""
    key = near.dtype.type
    number, farthest = key((1 << keys.bits) - 1), key(((keys.reach + 1) << keys.bits) - 1)
    for x in range(owner.size):
        owner[x] = near[x] & number if (near[x] <= farthest) & valid[x] else key(0)


@njit(cache=True, nogil=True)
def _link(box: Box, keys: Keys, room: Room, links: _Links) -> None:
    """Take the best stained object of each nucleus so far."""
    top, left, bottom, right = box
    size, best = links.size, links.best
    for y in range(top, bottom):
        near = room.keys[y - top + keys.row, keys.column :]
        for i in range(links.rows[y], links.rows[y + 1]):
            found = links.of_run[i]
            for x in range(max(links.spans[i, 0], left), min(links.spans[i, 1], right)):
                if near[x - left] > links.last:
                    continue
                nucleus = room.objects[near[x - left] & ((1 << keys.bits) - 1)]
                held = best[nucleus]
                if held < 0 or size[found] > size[held] or (size[found] == size[held] and found < held):
                    best[nucleus] = found
