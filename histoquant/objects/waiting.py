"""Pixels that a walk has met and not looked at yet, by their level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.ground import LEVELS
from histoquant.objects.room import spare_room

Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]

# Levels for what was met before, besides 0.
_ASIDE = 3
FIRST = np.uint64(LEVELS + _ASIDE)
"""From here on slots say where the pixels of each level begin."""
_ONE = np.uint64(1)

# Parts of the walk, as its own are.
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)


class Waiting(NamedTuple):
    """Pixels that were met, one above the other from the first place of their level on.

    Attributes
    ----------
    slots : ndarray of uint32, shape (n,)
        Of each level the place behind the last pixel that waits there, from `FIRST` on the places of the
        first, then pixels. Level 0 and three beyond the last take what was met before, of which none waits.
        All is one array, because the walk has no register left for another.
    """

    slots: UInt32Array

    @classmethod
    def of(cls, counts: Int64Array) -> Waiting:
        """Room for as many pixels of each level from 1 on; none waits yet."""
        stacks, beyond = int(FIRST), 2 * int(FIRST)
        # few of a level wait at once: one pixel in fifty of the room is used, at places all over it
        slots = spare_room(beyond + 1 + int(counts.sum()), np.uint32)
        first = np.full(stacks, beyond, np.uint32)
        first[1:LEVELS] = beyond + 1 + np.cumsum(counts) - counts
        slots[:stacks] = slots[stacks:beyond] = first
        return cls(slots)


@_kernel
def put(pixel: np.uint64, level: np.uint64, more: int, slots: UInt32Array) -> None:
    """Let a pixel wait, on top of those of its level; with 0 ``more`` the next one takes its place."""
    place = slots[np.uint64(level)]
    slots[place] = pixel
    slots[np.uint64(level)] = place + np.uint32(more)


@_kernel
def next_level(level: np.uint8, slots: UInt32Array) -> np.uint8:
    """The highest level at which a pixel waits, this one or lower; 0 for none."""
    while level > 0 and slots[level] == slots[FIRST + level]:
        level -= np.uint8(1)
    return level


@_kernel
def give_up(level: np.uint8, slots: UInt32Array, plane: UInt8Array, mark: np.uint8) -> None:
    """Mark in a plane what waits at a level and below, and let it wait no longer."""
    for lower in range(np.uint64(1), np.uint64(level) + _ONE):
        first = slots[FIRST + lower]
        for place in range(np.uint64(first), np.uint64(slots[lower])):
            plane[slots[place]] = mark
        slots[lower] = first
