"""Labels dealt to nuclei at random, as NumPy's ``permutation`` deals them, and how many fall in each field.

Chance needs only how many labels each field gets. So nuclei are shuffled not as numbers but as kinds, namely
by the fields that hold them. And a shuffle from the end need not go on once all that lies in front is
labelled: there only random numbers are used up, so that the next deal begins where NumPy's would.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.metrics.pcg_lanes import PcgLanes

_BITS = 32  # fields told apart at once


def labels_in_fields(
    inside: NDArray[np.bool_], number: int, generator: np.random.Generator, times: int
) -> NDArray[np.int64]:
    """Labels in each field whenever ``number`` of them are dealt to ``n`` objects.

    Parameters
    ----------
    inside : ndarray of bool, shape (fields, n)
        Which objects each field holds.
    number : int
        Labels.
    generator : numpy.random.Generator
        Of PCG64; not to be used afterwards, because it stays where it is.
    times : int
        Deals.

    Returns
    -------
    ndarray of int64, shape (times, fields)
        As many of ``generator.permutation(n)[:number]`` as lie in each field, deal after deal.
    """
    if number == 0:
        return np.zeros((times, inside.shape[0]), np.int64)
    kinds, of_kind = _kinds(inside)
    source = _Stream(generator)
    found = np.empty((times, inside.shape[0]), np.int64)
    for deal in range(times):
        left = kinds.copy()
        last = len(kinds) - 1
        while last > 0:
            last, source.used = _shuffle_on(source.numbers, source.used, left, last, number)
            if last > 0:
                source.go_on()
        found[deal] = _counts(left[:number], len(of_kind)) @ of_kind
    return found


def _kinds(inside: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Kind of each object, 0 for what lies in no field, and (kinds, fields) what lies where."""
    fields, objects = inside.shape
    held = np.flatnonzero(inside.any(axis=0))
    kind, example = np.zeros(len(held), np.int64), np.zeros(min(len(held), 1), np.int64)
    for first in range(0, fields, _BITS):
        for row in inside[first : first + _BITS]:
            kind = (kind << 1) | row[held]
        _, example, kind = np.unique(kind, return_index=True, return_inverse=True)
    of_kind = np.zeros((len(example) + 1, fields), np.int64)
    of_kind[1:] = inside[:, held[example]].T
    kinds = np.zeros(objects, np.uint16 if len(of_kind) <= np.iinfo(np.uint16).max else np.uint32)
    kinds[held] = kind + 1
    return kinds, of_kind


class _Stream:
    """Random 32-bit numbers as NumPy takes them from PCG64: of each 64 bits the lower half first."""

    def __init__(self, generator: np.random.Generator) -> None:
        source: Any = generator.bit_generator
        state = source.state
        halves = [state["uinteger"]] if state["has_uint32"] else []
        self.numbers, self.used = np.array(halves, np.uint32), 0
        self._lanes = PcgLanes(source)

    def go_on(self) -> None:
        words = self._lanes.words().astype("<u8", copy=False)
        self.numbers, self.used = words.view("<u4"), 0


@njit(cache=True, nogil=True)
def _shuffle_on(
    numbers: NDArray[np.uint32], used: int, left: NDArray[Any], last: int, number: int
) -> tuple[int, int]:
    """Go on with a shuffle (Durstenfeld, from the end) until it or the random numbers end.

    Only the first ``number`` places are of use, in any order: what is dealt to the others is not kept. A
    place is drawn by masking and drawn again when it lies past the last one, without a branch, because nobody
    can guess it.
    """
    at = np.uint64(used)
    end = np.uint64(numbers.size)
    i = np.uint32(last)
    one = np.uint64(1)
    while i > 0 and at < end:
        mask = np.uint32(1)
        while mask < i:
            mask = np.uint32(2) * mask + np.uint32(1)
        lowest = np.uint32((mask >> np.uint32(1)) + np.uint32(1))  # below it, the mask is another one
        stop = max(lowest, np.uint32(number), np.uint32(1))
        while i >= stop and at < end:
            drawn = numbers[at] & mask
            at += one
            left[np.uint64(min(drawn, i))] = left[np.uint64(i)]
            i -= np.uint32(drawn <= i)
        stop = lowest
        if i < np.uint32(max(number, 1)):
            while i >= stop and at < end:
                i -= np.uint32(numbers[at] & mask <= i)
                at += one
    return int(i), int(at)


@njit(cache=True, nogil=True)
def _counts(dealt: NDArray[Any], kinds: int) -> NDArray[np.int64]:
    """How many there are of each kind; every other one on its own, because most are of the same kind."""
    counts = np.zeros((2, kinds), np.int64)
    for k in range(dealt.size):
        counts[np.uint64(k) & np.uint64(1), np.uint64(dealt[k])] += 1
    both: NDArray[np.int64] = counts[0] + counts[1]
    return both
