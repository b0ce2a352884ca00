"""Whole planes by whole-number formulas, with one logarithm per value instead of one per pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.gains import at_gain
from histoquant.objects.places import FOUR, place_in
from histoquant.objects.room import kept_room
from histoquant.objects.smoothing import Band, give_rows, room_for, take_rows
from histoquant.stains.settings import GAIN_UNIT

BoolArray = npt.NDArray[np.bool_]
Int16Array = npt.NDArray[np.int16]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]
UInt16Array = npt.NDArray[np.uint16]
UInt64Array = npt.NDArray[np.uint64]

# Vectors of whole numbers have no division. A whole number and a half times the inverse lies half a divisor's
# share off every quotient: 0.005 for hundredths, where products of numbers of 16 bits err by 0.003 at most in
# single precision, of which twice as many are reckoned at once as in double.
_HALF, _PERCENT = np.float32(0.5), np.float32(0.01)
_BEYOND = 1024  # what is written beyond the last word
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Steps(NamedTuple):
    """How levels are made.

    Attributes
    ----------
    percent : int
        Of the surroundings, rounded down, that is taken off; up to 100.
    floor : int
        Taken off besides.
    step : int
        Between levels, of which the last is 255.
    """

    percent: int
    floor: int
    step: int


class _Mixed(NamedTuple):
    """How stains become one sum: as `mix` takes it, and the last sum that is told."""

    percent: int
    floor: int
    most: int
    gain: np.int32


def mix(
    hematoxylin: Int16Array,
    dab: Int16Array,
    percent: int,
    floor: int,
    compressed: Int16Array,
    gain: int = GAIN_UNIT,
) -> Int16Array:
    """Compressed sum of haematoxylin and a share of DAB.

    Parameters
    ----------
    hematoxylin, dab : ndarray of int16, shape (h, w)
    percent : int
        Of DAB, rounded down; from -100 to 100.
    floor : int
        What is taken off DAB, not negative; what is then below 0 counts as none.
    compressed : ndarray of int16, shape (n,)
        Of every sum from 0 on; those beyond it count as the last.
    gain : int
        In 1/1024: both stains are taken in as `at_gain` makes them.

    Returns
    -------
    ndarray of int16, shape (h, w)
        In the room of the words that tell edges, as large as they need it: nobody looks at it any more when
        it is smoothed. Written over when this thread mixes or tells others.
    """
    height, width = dab.shape
    room = kept_room("words", 2 * (height + 2) * (width + 16) + _BEYOND, np.int16)
    out = room[: dab.size].reshape(dab.shape)
    rule = _Mixed(percent, floor, len(compressed) - 1, np.int32(gain))
    sums = np.empty(width + FOUR, np.uint16)
    _mix((hematoxylin, dab), rule, compressed, sums, out)
    return out


def smooth_share(plane: Int16Array, percent: int, sigma_px: float, gain: int = GAIN_UNIT) -> Int16Array:
    """``value * percent // 100`` of every pixel of a smoothed plane, up to 100; int16, shape (h, w).

    The plane is taken in as `at_gain` makes it.
    """
    flat, out = room_for(plane.shape)
    _smooth_share(plane, percent, Band.of(sigma_px, plane.shape[1], gain), flat)
    return out


def levels_over(dark: Int16Array, valid: BoolArray, rule: Steps, sigma_px: float) -> UInt8Array:
    """Level of darkness less what its surroundings take off it; 0 where invalid or not above 0.

    Parameters
    ----------
    dark : ndarray of int16, shape (h, w)
        Not negative.
    valid : ndarray of bool, shape (h, w), or (1, w) for all rows
    rule : Steps
    sigma_px : float
        Of the surroundings, which are ``dark`` smoothed.

    Returns
    -------
    ndarray of uint8, shape (h, w)
    """
    out = np.empty(dark.shape, np.uint8)
    _levels_over(dark, valid, rule, Band.of(sigma_px, dark.shape[1]), out)
    return out


@_kernel
def clear_below(levels: UInt8Array, plane: IntArray, other: IntArray, percent: int) -> None:
    """Clear, in place, where a plane has less than a share of another; both of 16 bits or within +-2^17."""
    for y in range(levels.shape[0]):
        row, one, two = levels[y], plane[y], other[y]
        for x in range(row.size):
            row[x] = row[x] if np.int32(100 * one[x]) >= np.int32(percent * two[x]) else 0


@_kernel
def _mix(
    stains: tuple[Int16Array, Int16Array],
    rule: _Mixed,
    compressed: Int16Array,
    sums: UInt16Array,
    out: Int16Array,
) -> None:
    width = out.shape[1]
    words = sums[: width // FOUR * FOUR].view(np.uint64)
    for y in range(out.shape[0]):
        _add(stains[0][y], stains[1][y], rule, sums[:width])
        _look_up(words, compressed, out[y])
        for x in range(FOUR * words.size, width):
            out[y, x] = compressed[np.uint64(sums[x])]


@_kernel
def _smooth_share(plane: Int16Array, percent: int, band: Band, out: Int16Array) -> None:
    height, width = plane.shape
    for y in range(0, height, 2):
        take_rows(band, y, plane)
        give_rows(band, y, band.given[0], band.given[1], plane)
        for k in range(min(2, height - y)):
            _share_row(band.given[k], percent, out[(y + k) * width : (y + k + 1) * width])


@_kernel
def _levels_over(dark: Int16Array, valid: BoolArray, rule: Steps, band: Band, out: UInt8Array) -> None:
    """Surroundings are kept of two rows only."""
    height, last = dark.shape[0], valid.shape[0] - 1
    for y in range(0, height, 2):
        take_rows(band, y, dark)
        give_rows(band, y, band.given[0], band.given[1], dark)
        for k in range(min(2, height - y)):
            level_row(dark[y + k], band.given[k], valid[min(y + k, last)], rule, out[y + k])


@_kernel
def level_row(dark: Int16Array, around: Int16Array, valid: BoolArray, rule: Steps, out: UInt8Array) -> None:
    """Levels of a row, whose surroundings are known and not negative."""
    shared, taken, part = np.float32(rule.percent), np.float32(rule.floor), np.float32(1.0 / rule.step)
    none, last = np.int32(0), np.float32(255)
    for x in range(out.size):
        share = np.floor((np.float32(around[x]) * shared + _HALF) * _PERCENT)
        above = np.float32(dark[x]) - share - taken
        level = np.int32(min((above + _HALF) * part, last))
        out[x] = max(level, none) if valid[x] else none


@_kernel
def _share_row(row: Int16Array, percent: int, out: Int16Array) -> None:
    """``value * percent // 100`` of a row without negative values."""
    shared = np.float32(percent)
    for x in range(out.size):
        out[x] = np.int32((np.float32(row[x]) * shared + _HALF) * _PERCENT)


@_kernel
def _add(blue: Int16Array, brown: Int16Array, rule: _Mixed, sums: UInt16Array) -> None:
    none, taken = np.float32(0.0), np.float32(rule.floor)
    shared, last = np.float32(rule.percent), np.float32(rule.most)
    for x in range(sums.size):
        more = max(np.float32(at_gain(brown[x], rule.gain)) - taken, none)
        share = np.floor((more * shared + _HALF) * _PERCENT)
        sums[x] = np.int32(min(max(np.float32(at_gain(blue[x], rule.gain)) + share, none), last))


@_kernel
def _look_up(words: UInt64Array, table: Int16Array, out: Int16Array) -> None:
    """Look up places that are read `FOUR` at a time: to load one takes as long as to look it up."""
    for k in range(np.uint64(words.size)):
        word, x = words[k], k * np.uint64(FOUR)
        out[x] = table[place_in(word, 0)]
        out[x + np.uint64(1)] = table[place_in(word, 1)]
        out[x + np.uint64(2)] = table[place_in(word, 2)]
        out[x + np.uint64(3)] = table[place_in(word, 3)]
