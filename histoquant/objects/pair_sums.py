"""Weighted sums of 16-bit amounts, two products at a time, as processors add them in one instruction."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

SHIFT = 12
"""Binary places of the weights: sums are rounded to whole numbers."""
AT_ONCE = 64
"""Pixels for which rows must have room beyond the last one: so many are written at once."""

_LANES = 16
_INT16, _INT32 = ir.IntType(16), ir.IntType(32)
_SUMS, _PAIRS = ir.VectorType(_INT32, _LANES), ir.VectorType(_INT16, 2 * _LANES)
_PRODUCTS = ir.VectorType(_INT32, 2 * _LANES)
_VECTORS = 2


@intrinsic
def weigh_down(context: Any, pairs: Any, places: Any, taps: Any, first: Any, second: Any, x: Any) -> Any:
    """Weigh pairs of rows into two rows, for 32 pixels.

    Parameters
    ----------
    pairs : ndarray of int16, one axis
        Rows of pairs: what lies in the upper row, and what lies below it.
    places : ndarray of int64, shape (n,)
        Where the rows begin that are weighed.
    taps : ndarray of int32, shape (2, n)
        Weights of both numbers of a pair, the second one in the upper half; for the first row of the
        result and for the second. All of one result add up to 4096.
    first, second : ndarray of int16, shape (w,)
        Receive the rounded sums.
    x : int
        First of the pixels.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        kinds = signature.args
        column = target.cast(builder, given[5], kinds[5], types.intp)
        sums = _sums(target, builder, kinds, given, builder.mul(column, column.type(2)))
        narrow = ir.VectorType(_INT16, _LANES)
        for k in range(_VECTORS):
            for row, total in enumerate(sums[k]):
                out = target.make_array(kinds[3 + row])(target, builder, given[3 + row]).data
                at = builder.gep(out, [builder.add(column, column.type(k * _LANES))])
                builder.store(builder.trunc(total, narrow), builder.bitcast(at, narrow.as_pointer()), align=2)
        return target.get_dummy_value()

    return types.void(pairs, places, taps, first, second, x), generate


@intrinsic
def weigh_along(context: Any, row: Any, places: Any, taps: Any, out: Any, x: Any) -> Any:
    """Weigh the pixels of a row into 64 pixels.

    Parameters
    ----------
    row : ndarray of int16, shape (w + reach,)
    places : ndarray of int64, shape (n,)
        Where pairs of pixels lie that are weighed, counted from the first of two pixels.
    taps : ndarray of int32, shape (2, n)
        As in `weigh_down`, for the first of two pixels and for the second.
    out : ndarray of int16, shape (w,)
        Receives the rounded sums, which must not be negative.
    x : int
        First of the pixels.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        kinds = signature.args
        column = target.cast(builder, given[4], kinds[4], types.intp)
        sums = _sums(target, builder, kinds, given, column)
        out = target.make_array(kinds[3])(target, builder, given[3]).data
        for k, (first, second) in enumerate(sums):
            both = builder.or_(first, builder.shl(second, ir.Constant(_SUMS, [16] * _LANES)))
            at = builder.gep(out, [builder.add(column, column.type(2 * k * _LANES))])
            builder.store(both, builder.bitcast(at, _SUMS.as_pointer()), align=2)
        return target.get_dummy_value()

    return types.void(row, places, taps, out, x), generate


def _sums(target: Any, builder: Any, kinds: Any, given: Any, start: Any) -> list[tuple[Any, ...]]:
    """Both rounded sums of two vectors of pairs, which stay in registers while all pairs are added."""
    held, places, taps = (
        target.make_array(kind)(target, builder, value) for kind, value in zip(kinds[:3], given, strict=False)
    )
    (count,) = cgutils.unpack_tuple(builder, places.shape)
    half = ir.Constant(_SUMS, [1 << (SHIFT - 1)] * _LANES)
    sums = [[cgutils.alloca_once_value(builder, half) for _ in range(2)] for _ in range(_VECTORS)]
    with cgutils.for_range(builder, count) as loop:
        begin = builder.add(start, builder.load(builder.gep(places.data, [loop.index])))
        weights = [_everywhere(builder, taps.data, loop.index)]
        weights.append(_everywhere(builder, taps.data, builder.add(loop.index, count)))
        for k, totals in enumerate(sums):
            at = builder.gep(held.data, [builder.add(begin, begin.type(2 * k * _LANES))])
            pairs = builder.load(builder.bitcast(at, _PAIRS.as_pointer()), align=2)
            for total, weight in zip(totals, weights, strict=True):
                builder.store(builder.add(builder.load(total), _added(builder, pairs, weight)), total)
    shift = ir.Constant(_SUMS, [SHIFT] * _LANES)
    first, second = (
        [builder.ashr(builder.load(total), shift) for total in row] for row in zip(*sums, strict=True)
    )
    return list(zip(first, second, strict=True))


def _everywhere(builder: Any, taps: Any, place: Any) -> Any:
    """Two weights in every lane of a vector."""
    unset = ir.Constant(_SUMS, ir.Undefined)
    one = builder.insert_element(unset, builder.load(builder.gep(taps, [place])), _INT32(0))
    return builder.bitcast(builder.shuffle_vector(one, unset, ir.Constant(_SUMS, [0] * _LANES)), _PAIRS)


def _added(builder: Any, pairs: Any, weights: Any) -> Any:
    """Products of each pair, added: written as LLVM knows the instruction for it."""
    products = builder.mul(builder.sext(pairs, _PRODUCTS), builder.sext(weights, _PRODUCTS))
    unset = ir.Constant(_PRODUCTS, ir.Undefined)
    of_first, of_second = (
        builder.shuffle_vector(products, unset, ir.Constant(_SUMS, list(range(k, 2 * _LANES, 2))))
        for k in range(2)
    )
    return builder.add(of_first, of_second)
