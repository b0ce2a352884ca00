"""Nearest of many objects, block by block: 16 bits tell which of the few near a block, and how far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.lane_rows import RUN, set_run
from histoquant.objects.nearest_rows import STRIDE, along, behind, sweep_left, sweep_right

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
KeyArray = npt.NDArray[np.integer]
Box = tuple[int, int, int, int]

# Borgefors' 5-7-11 chamfer: within 2 % of the Euclidean distance, in integers.
UNIT = 5
_DIAGONAL = 7
_KNIGHT = 11
# Rows and columns of a block: with what lies within reach of it, it stays in a core's own cache.
_ROWS, _COLUMNS, _NARROW = 160, 960, 240

_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Keys(NamedTuple):
    """How distance and number are one whole number: the smaller, the nearer, then the earlier number.

    Attributes
    ----------
    reach : int
        In fifths of a pixel.
    bits : int
        Of a number, which is 1 for the first object near the block; the distance lies above.
    far : int
        Of no object; with the longest step added it is a number of the type still.
    stride : int
        The longest along a row, a power of 4.
    halo : int
        Pixels shown around a block.
    row, column : int
        Of the first pixel of a block among all that is shown.
    """

    reach: int
    bits: int
    far: int
    stride: int
    halo: int
    row: int
    column: int


class Blocks(NamedTuple):
    """An area in blocks, and which objects are near each row of them.

    Attributes
    ----------
    area : tuple of int
        Top, left, bottom and right, half open.
    columns : int
        Of a block.
    first : ndarray of int64, shape (rows of blocks + 1,)
        Where the objects near a row of blocks begin in ``members``.
    members : ndarray of int32
        Their numbers from 0, ascending in each row.
    boxes : ndarray of int32, shape (n, 4)
        Of all objects: top, left, bottom, right.
    runs : LabelRuns
        Of all objects.
    """

    area: Box
    columns: int
    first: Int64Array
    members: Int32Array
    boxes: Int32Array
    runs: LabelRuns


class Room(NamedTuple):
    """What is filled for each block, `Keys.far` where no object is near.

    Attributes
    ----------
    keys : ndarray of uint16 or int64
        With two rows above what is shown around a block and two below.
    spare : ndarray of uint16 or int64, shape (2, columns)
    steps : ndarray of uint16 or int64, shape (3,)
    objects : ndarray of int32
        What each number near the block stands for; one past the last object for 0.
    """

    keys: KeyArray
    spare: KeyArray
    steps: KeyArray
    objects: Int32Array

    @classmethod
    def of(cls, blocks: Blocks, keys: Keys, kind: npt.DTypeLike) -> Room:
        """For any of the blocks."""
        height, width = _ROWS + 2 * keys.halo + 4, blocks.columns + 2 * keys.halo + 6 * keys.stride + RUN
        steps = np.array([UNIT << keys.bits, _DIAGONAL << keys.bits, _KNIGHT << keys.bits], kind)
        objects = np.full(len(blocks.boxes) + 1, len(blocks.boxes), np.int32)
        return cls(np.empty((height, width), kind), np.full((2, width), keys.far, kind), steps, objects)


def blocks_of(
    runs: LabelRuns, chosen: npt.NDArray[np.integer], shape: tuple[int, int], reach: int, margin: int
) -> tuple[Blocks, Keys, Room]:
    """Blocks of all that is within reach of some objects.

    Parameters
    ----------
    runs : LabelRuns
        Of all objects; of equally near ones the first is taken.
    chosen : ndarray of int, shape (n,)
        Of which all pixels within reach are wanted.
    shape : tuple of int
        Height and width of the window.
    reach : int
        In fifths of a pixel, up to 50,000.
    margin : int
        Pixels around a block in which objects must be drawn, however short the reach is.

    Returns
    -------
    blocks : Blocks
    keys : Keys
    room : Room
    """
    halo, boxes = max(reach // UNIT, margin), runs.boxes()
    area = _around(boxes[chosen], shape, halo)
    first, members = _near_rows(boxes, area, halo)
    stride = 1
    while UNIT * (4 * stride - 1) < reach:
        stride *= 4
    longest = max(_KNIGHT, 3 * UNIT * stride)
    # of crowded objects fewer are near a narrow block; those that even so are too many take wider numbers
    for kind, columns in ((np.uint16, _COLUMNS), (np.uint16, _NARROW), (np.int64, _COLUMNS)):
        bits = (int(np.iinfo(kind).max) // (reach + 1 + longest)).bit_length() - 1
        width = max(1, area[3] - area[1])
        blocks = Blocks(area, -(-width // -(-width // columns)), first, members, boxes, runs)
        if _most_near(blocks, halo) < 1 << bits:
            break
    far = int(np.iinfo(kind).max) - (longest << bits)
    keys = Keys(reach, bits, far, stride, halo, halo + 2, halo + 3 * stride)
    return blocks, keys, Room.of(blocks, keys, kind)


def _around(boxes: Int32Array, shape: tuple[int, int], halo: int) -> Box:
    """What lies so near to any of these boxes; nothing for objects without pixels."""
    there = boxes[boxes[:, 2] > boxes[:, 0]]
    if not len(there):
        return 0, 0, 0, 0
    (top, left), (bottom, right) = there[:, :2].min(axis=0), there[:, 2:].max(axis=0)
    end = min(shape[0], int(bottom) + halo), min(shape[1], int(right) + halo)
    return max(0, int(top) - halo), max(0, int(left) - halo), *end


@njit(cache=True, nogil=True)
def _near_rows(boxes: Int32Array, area: Box, halo: int) -> tuple[Int64Array, Int32Array]:
    """Objects near each row of blocks."""
    top, left, bottom, right = area
    rows = max(0, bottom - top + _ROWS - 1) // _ROWS
    first = np.zeros(rows + 1, np.int64)
    for fill in range(2):
        if fill:
            for row in range(rows):
                first[row + 1] += first[row]
            members, place = np.empty(first[rows], np.int32), first.copy()
        for i in range(boxes.shape[0]):
            y0, x0, y1, x1 = boxes[i]
            if y0 == y1 or x1 <= left - halo or x0 >= right + halo:
                continue
            begin, end = max(y0 - halo - top, 0) // _ROWS, (min(y1 + halo, bottom) - top - 1) // _ROWS
            for row in range(begin, end + 1 if y1 + halo > top else 0):
                if fill:
                    members[place[row]] = i
                    place[row] += 1
                else:
                    first[row + 1] += 1
    return first, members


@njit(cache=True, nogil=True)
def _most_near(blocks: Blocks, halo: int) -> int:
    """Most objects near any block."""
    most, objects = 0, np.empty(blocks.boxes.shape[0] + 1, np.int32)
    for row in range(blocks.first.size - 1):
        for left in range(blocks.area[1], blocks.area[3], blocks.columns):
            most = max(most, _near_block(blocks, row, left, halo, objects))
    return most


@_kernel
def _near_block(blocks: Blocks, row: int, left: int, halo: int, objects: Int32Array) -> int:
    """Number the objects near a block, from 1."""
    count, begin, end = 0, left - halo, left + blocks.columns + halo
    for k in range(blocks.first[row], blocks.first[row + 1]):
        i = blocks.members[k]
        objects[count + 1] = i
        count += int((blocks.boxes[i, 1] < end) & (blocks.boxes[i, 3] > begin))
    return count


@_kernel
def share_block(blocks: Blocks, keys: Keys, room: Room, row: int, left: int) -> int:
    """Fill ``room.keys`` for a block, whose first pixel is at row `Keys.row` and column `Keys.column`.

    Two passes, down and up, of lexicographic (distance, number) minima over paths no longer than the reach:
    what a pixel gets depends on objects within reach only. Pixels of objects have their number from the
    start, those above the block, too.

    Returns
    -------
    int
        Rows of the block.
    """
    top = blocks.area[0] + row * _ROWS
    height = min(blocks.area[2] - top, _ROWS)
    _draw(blocks, keys, room, (row, top, left, height))
    edge = 3 * keys.stride
    span = (np.uint64(edge), np.uint64(edge + blocks.columns + 2 * keys.halo))
    rows, spare, straight = room.keys, room.spare, room.steps[0]
    last = height + 2 * keys.halo + 1
    if keys.stride == STRIDE:
        steps, far = (straight, room.steps[1], room.steps[2]), rows.dtype.type(keys.far)
        turns = (span[1] - span[0] + RUN - 1) // RUN
        for k in range(2, last + 1):
            sweep_right((rows[k], rows[k - 1], rows[k - 2]), steps, far, edge, turns)
        for k in range(last, keys.halo + 1, -1):
            sweep_left((rows[k], rows[k + 1], rows[k + 2]), steps, far, edge, turns)
        return height
    for k in range(2, last + 1):
        behind(rows[k], rows[k - 1], rows[k - 2], room.steps, span, spare[0])
        along(spare, straight, keys.stride, 1, span, rows[k])
    for k in range(last, keys.halo + 1, -1):
        behind(rows[k], rows[k + 1], rows[k + 2], room.steps, span, spare[0])
        along(spare, straight, keys.stride, -1, span, rows[k])
    return height


@_kernel
def _draw(blocks: Blocks, keys: Keys, room: Room, block: Box) -> None:
    row, top, left, height = block
    start, spans = blocks.runs.start, blocks.runs.spans
    first, width, edge = left - keys.halo, blocks.columns + 2 * keys.halo, 3 * keys.stride
    room.keys[: height + 2 * keys.halo + 4] = keys.far
    for number in range(1, _near_block(blocks, row, left, keys.halo, room.objects) + 1):
        i = room.objects[number]
        for k in range(np.uint64(start[i]), np.uint64(start[i + 1])):
            y = spans[k, 0] - top + keys.halo
            if 0 <= y < height + 2 * keys.halo:
                begin, end = max(spans[k, 1] - first, 0) + edge, min(spans[k, 2] - first, width) + edge
                line = room.keys[np.uint64(y + 2)]
                # what is read past a row is there: two rows follow below what is shown
                for x in range(begin, end, RUN):
                    set_run(line, x, end - x, number)
