"""The pixels of one cell, gathered from their planes and laid side by side to be summed in one short loop."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.cell_kinds import NOWHERE, SHELL_BITS, SHELLS
from histoquant.objects.cell_lanes import (
    BIN_FROM,
    BINS,
    FIELD_BITS,
    LANES,
    PLACE_FROM,
    SECTOR_BITS,
    TURNS,
    lay_beside,
    take_apart,
)
from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.marks import bits_set
from histoquant.objects.planes import Planes
from histoquant.objects.prefetch import prefetch

Int16Array = npt.NDArray[np.int16]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt16Array = npt.NDArray[np.uint16]
Number = TypeVar("Number", bound=np.generic)
# Kinds, DAB and haematoxylin, in one row
Images = tuple[UInt8Array, Int16Array, Int16Array]

PLACES = NOWHERE + 1
# Directions of all shells, and those of all places
_ROUND, _SORTS = 1 << PLACE_FROM, 1 << BIN_FROM
# Of no place, no shell and no stain
_NOBODY = (NOWHERE << SHELL_BITS | SHELLS) << SECTOR_BITS
# Beyond every window
_FAR = 1 << 40
MOST = 1 << (FIELD_BITS - 16)
"""Pixels summed at once: of so many no sum in a number of several outgrows its bits."""
# Runs ahead that are fetched: as many as arrive while that many are laid out.
_AHEAD = np.uint64(4)
_ONE, _FULL = np.uint64(1), np.uint64(MOST - LANES)
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Sight(NamedTuple):
    """A window, as pixels are gathered from it.

    Attributes
    ----------
    images : tuple of ndarray of uint8, int16 and int16, shape (1, h * w)
        Kinds as `tell_row` tells them, DAB and haematoxylin.
    ends : tuple of ndarray
        The last pixels of each once more, and as many that are none: so many may be read from each on.
    width : int
        Of a row.
    stained_mod : int
        DAB (mOD) from which a pixel is stained.
    """

    images: Images
    ends: Images
    width: int
    stained_mod: int

    @classmethod
    def of(cls, kinds: UInt8Array, planes: Planes, stained_mod: int) -> Sight:
        """Of a window whose pixels were told."""
        images = _in_one_row(kinds), _in_one_row(planes.dab), _in_one_row(planes.hematoxylin)
        ends = _end_of(images[0]), _end_of(images[1]), _end_of(images[2])
        stained = min(max(stained_mod, -(1 << 15)), (1 << 15) - 1)
        return cls(images, ends, planes.shape[1], stained)


def _in_one_row(image: npt.NDArray[Number]) -> npt.NDArray[Number]:
    return image.reshape(1, -1)


def _end_of(image: npt.NDArray[Number]) -> npt.NDArray[Number]:
    end = image[:, -LANES:]
    return np.append(end, np.zeros((1, LANES), end.dtype), axis=1)


class Desk(NamedTuple):
    """Where pixels are laid out and summed.

    Attributes
    ----------
    told, held : ndarray of uint16 and of int64, shape (n,)
        As `lay_beside` fills them.
    packed : ndarray of int64, shape (4, places * shells * directions)
        Sums of ``held`` by place, shell and direction, of every fourth pixel each.
    counts : ndarray of int32, shape (bins * places,)
        Pixels by the bin of their DAB and, in each, by their place.
    places : ndarray of int64, shape (3, places)
        Pixels, summed DAB and summed haematoxylin of each place.
    shells : ndarray of int64, shape (3, (shells + 1) * directions)
        The same of each direction of each shell, and of what lies in none.
    """

    told: UInt16Array
    held: Int64Array
    packed: Int64Array
    counts: Int32Array
    places: Int64Array
    shells: Int64Array

    @classmethod
    def empty(cls) -> Desk:
        """With nothing on it."""
        told, held = np.empty(MOST + LANES, np.uint16), np.empty(MOST + LANES, np.int64)
        return cls(
            told,
            held,
            np.zeros((TURNS, _SORTS), np.int64),
            np.zeros(BINS * PLACES, np.int32),
            np.zeros((3, PLACES), np.int64),
            np.zeros((3, _ROUND), np.int64),
        )


class Compass(NamedTuple):
    """Where the directions of a cell change, which are told by signs and by the longer side.

    Attributes
    ----------
    fall, rise : tuple of int
        A diagonal through the centroid meets row y at ``fall`` + y, the other one at ``rise`` - y: the last
        column before it, or on it, and the first one after it, or on it.
    middle_x, middle_y : int
        First column and row that do not lie before the centroid.
    """

    fall: tuple[int, int]
    rise: tuple[int, int]
    middle_x: int
    middle_y: int


@_kernel
def compass_of(pixels: int, sum_x: int, sum_y: int) -> Compass:
    """Directions from the centroid of a nucleus with so many pixels and these sums of their places."""
    if pixels == 0:
        # of no pixel all else lies in the last direction
        return Compass((_FAR, _FAR), (_FAR, _FAR), -_FAR, -_FAR)
    down, up = sum_x - sum_y, sum_x + sum_y
    fall, rise = (down // pixels, -(-down // pixels)), (up // pixels, -(-up // pixels))
    return Compass(fall, rise, -(-sum_x // pixels), -(-sum_y // pixels))


@_kernel
def sum_cell(sight: Sight, runs: LabelRuns, i: int, compass: Compass, desk: Desk) -> int:
    """Sum the pixels of one cell.

    Parameters
    ----------
    sight : Sight
    runs : LabelRuns
        Pixels of all cells.
    i : int
    compass : Compass
    desk : Desk
        Receives the sums. The caller takes them off.

    Returns
    -------
    int
        Pixels that are stained.
    """
    width, spans, last = sight.width, runs.spans, sight.images[0].size - LANES
    count = stained = np.uint64(0)
    for k in range(np.uint64(runs.start[i]), np.uint64(runs.start[i + 1])):
        _fetch(sight, spans, np.uint64(min(k + _AHEAD, np.uint64(spans.shape[0]) - _ONE)))
        y, begin, end = np.int64(spans[k, 0]), np.int64(spans[k, 1]), np.int64(spans[k, 2])
        below = y >= compass.middle_y
        left = compass.rise[0] - y if below else compass.fall[0] + y
        right = compass.fall[1] + y if below else compass.rise[1] - y
        for x in range(begin, end, LANES):
            turns = (_near(left - x), _near(compass.middle_x - x), _near(right - x))
            place, asked = y * width + x, (np.int16(below), np.int16(sight.stained_mod))
            if place <= last:
                word = lay_beside(sight.images, place, turns, asked, desk.told, desk.held, count)
            else:
                word = lay_beside(sight.ends, place - max(last, 0), turns, asked, desk.told, desk.held, count)
            here = np.uint64(min(int(end - x), LANES))
            stained += bits_set(np.uint64(word) & ((_ONE << here) - _ONE))
            count += here
            if count > _FULL:
                _sum_up(desk, count)
                count = np.uint64(0)
    _sum_up(desk, count)
    return int(stained)


@_kernel
def _near(column: int) -> np.int16:
    return np.int16(min(max(column, -1), LANES))


@_kernel
def _fetch(sight: Sight, spans: Int32Array, k: np.uint64) -> None:
    """Cells lie in scattered rows; waiting for their pixels would take as long as summing them."""
    kinds, dab, hematoxylin = sight.images
    first = np.int64(spans[k, 0]) * sight.width + np.int64(spans[k, 1])
    for place in (first, first + LANES - 1):
        prefetch(kinds, 0, place)
        prefetch(dab, 0, place)
        prefetch(hematoxylin, 0, place)


@_kernel
def _sum_up(desk: Desk, count: np.uint64) -> None:
    for k in range(TURNS):
        desk.told[count + np.uint64(k)], desk.held[count + np.uint64(k)] = _NOBODY, 0
    for k in range(np.uint64(0), count, np.uint64(TURNS)):
        for turn in range(np.uint64(TURNS)):
            word = np.uint64(desk.told[k + turn])
            desk.packed[turn, word & np.uint64(_SORTS - 1)] += desk.held[k + turn]
            desk.counts[word >> np.uint64(PLACE_FROM)] += 1
    # before sums of several outgrow their bits
    take_apart(desk.packed, desk.places, desk.shells)


@_kernel
def clear(desk: Desk) -> None:
    """Take all sums off."""
    desk.places[:] = 0
    desk.shells[:] = 0
    desk.counts[:] = 0
