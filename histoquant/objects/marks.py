"""Marked pixels of a row, found 64 at a time: a kernel then goes from mark to mark."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit
from numba.core import types
from numba.extending import intrinsic

from histoquant.objects.lane_rows import start_of, values_at

Int32Array = npt.NDArray[np.int32]
UInt8Array = npt.NDArray[np.uint8]

WORD = 64
"""Marks of one word: a row of marks must be that much longer than what is asked of it."""
_NOTHING = np.uint64(0)
_ONE = np.uint64(1)
# So many places are noted without asking whether there are as many, as most words have no more.
_AT_ONCE = 4


@intrinsic
def word_of(context: Any, marks: Any, x: Any) -> Any:
    """Bit ``i`` says whether ``marks[x + i]`` is not 0, of whole numbers of any width."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        held = values_at(builder, marks, start_of(target, builder, signature, given), WORD)
        marked = builder.icmp_unsigned("!=", held, ir.Constant(held.type, [0] * WORD))
        return builder.bitcast(marked, ir.IntType(WORD))

    return types.uint64(marks, x), generate


@intrinsic
def put_bits(context: Any, marks: Any, x: Any, word: Any) -> Any:
    """Let ``marks[x + i]`` be bit ``i`` of a word."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        values = ir.VectorType(ir.IntType(marks.dtype.bitwidth), WORD)
        start = builder.bitcast(start_of(target, builder, signature, given), values.as_pointer())
        lit = builder.bitcast(given[2], ir.VectorType(ir.IntType(1), WORD))
        builder.store(builder.zext(lit, values), start, align=marks.dtype.bitwidth // 8)
        return target.get_dummy_value()

    return types.void(marks, x, types.uint64), generate


@intrinsic
def turns_of(context: Any, row: Any, x: Any) -> Any:
    """Bit ``i`` says whether ``row[x + i]`` is another number than ``row[x + i + 1]``."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        start = start_of(target, builder, signature, given)
        after = builder.gep(start, [ir.Constant(ir.IntType(64), 1)])
        here, there = (values_at(builder, row, place, WORD) for place in (start, after))
        return builder.bitcast(builder.icmp_unsigned("!=", here, there), ir.IntType(WORD))

    return types.uint64(row, x), generate


@intrinsic
def lowest_bit(context: Any, word: Any) -> Any:
    """Place of the lowest bit that is set; 64 of 0."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def bits_set(context: Any, word: Any) -> Any:
    """How many bits are set."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.ctpop(given[0])

    return types.uint64(types.uint64), generate


@njit(cache=True, nogil=True)
def places(marks: UInt8Array, width: int, out: Int32Array) -> int:
    """Note where a row is marked.

    Parameters
    ----------
    marks : ndarray of uint8, shape (at least width + WORD,)
        Not 0 where marked; 0 from ``width`` on.
    width : int
    out : ndarray of int32, shape (at least width + WORD,)
        Receives the columns of the marks, ascending; what follows them is written over.

    Returns
    -------
    int
        How many there are.
    """
    count = _NOTHING
    for start in range(_NOTHING, np.uint64(width), np.uint64(WORD)):
        count = noted(word_of(marks, start), start, count, out)
    return int(count)


@njit(cache=True, nogil=True)
def noted(word: np.uint64, start: np.uint64, count: np.uint64, out: Int32Array) -> np.uint64:
    """Note the places of the bits of a word, counted from ``start``, after so many; how many there are."""
    last = count + bits_set(word)
    while count < last:
        for k in range(_AT_ONCE):
            out[count + np.uint64(k)] = start + lowest_bit(word)
            word &= word - _ONE
        count += np.uint64(_AT_ONCE)
    return np.uint64(last)
