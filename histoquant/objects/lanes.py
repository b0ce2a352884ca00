"""Small square masks as vectors: a row per lane, so that all rows are shifted, cut and counted at once.

A mask has as many rows as its words have bits: 32 or 64. Pixel ``x`` of a row is bit ``x`` of its word. An
object is drawn so that the first and the last row and column stay free: what a shift brings in from beyond is
then never part of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit
from numba.core import types
from numba.extending import intrinsic

Int32Array = npt.NDArray[np.int32]
Masks = npt.NDArray[np.uint32] | npt.NDArray[np.uint64]

SMALL, LARGE = 30, 62
"""Rows and columns of what fits into masks of 32 and of 64 bits."""


# Of lanes, in LLVM
_PLACE = ir.IntType(32)


def _declared(builder: Any, name: str, vector: Any, result: Any) -> Any:
    """A function that LLVM has for vectors of every kind."""
    kind = ir.FunctionType(result, [vector])
    return builder.module.declare_intrinsic(f"{name}.v{vector.count}i{vector.element.width}", (), kind)


def _up(builder: Any, rows: Any) -> Any:
    """In every lane the row above."""
    count = rows.type.count
    places = ir.Constant(ir.VectorType(_PLACE, count), [0, *range(count, 2 * count - 1)])
    return builder.shuffle_vector(ir.Constant(rows.type, [0] * count), rows, places)


def _down(builder: Any, rows: Any) -> Any:
    """In every lane the row below."""
    count = rows.type.count
    places = ir.Constant(ir.VectorType(_PLACE, count), [*range(1, count + 1)])
    return builder.shuffle_vector(rows, ir.Constant(rows.type, [0] * count), places)


def _sides(builder: Any, rows: Any) -> Any:
    """Pixels with one to the left and one to the right."""
    one = ir.Constant(rows.type, [1] * rows.type.count)
    return builder.and_(builder.shl(rows, one), builder.lshr(rows, one))


def _euler(builder: Any, rows: Any) -> Any:
    """Corners less edges plus pixels: runs of rows laid over the ones above less runs of rows."""
    one = ir.Constant(rows.type, [1] * rows.type.count)
    count = _declared(builder, "llvm.ctpop", rows.type, rows.type)
    total = _declared(builder, "llvm.vector.reduce.add", rows.type, rows.type.element)

    def runs(of: Any) -> Any:
        return builder.call(count, [builder.and_(of, builder.not_(builder.shl(of, one)))])

    over = builder.or_(rows, _up(builder, rows))
    return builder.call(total, [builder.sub(runs(over), runs(rows))])


def _mask(target: Any, builder: Any, signature: Any, given: Any, which: int) -> Any:
    """Pointer to a mask whose number is an argument."""
    masks, numbered = signature.args[0], signature.args[which]
    lanes = masks.dtype.bitwidth
    array = target.make_array(masks)(target, builder, given[0])
    number = target.cast(builder, given[which], numbered, types.intp)
    place = builder.gep(array.data, [builder.mul(number, ir.Constant(number.type, lanes))])
    return builder.bitcast(place, ir.VectorType(ir.IntType(lanes), lanes).as_pointer())


def _signed(masks: Any) -> Any:
    """A number as wide as the words: holes may outnumber pieces."""
    return types.Integer.from_bitwidth(masks.dtype.bitwidth)


@intrinsic
def pieces(context: Any, masks: Any, k: Any) -> Any:
    """Pieces of mask ``k`` less holes in it; pixels that touch at a corner are one piece.

    Parameters
    ----------
    masks : ndarray of uint32, shape (n, 32), or of uint64, shape (n, 64)
    k : int
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        rows = builder.load(_mask(target, builder, signature, given, 1), align=4)
        return _euler(builder, rows)

    return _signed(masks)(masks, k), generate


@intrinsic
def shrink(context: Any, masks: Any, k: Any, inside: Any, near: Any, across: Any) -> Any:
    """Make mask ``k`` what of a mask has all pixels beside it and across its corners in two others.

    Returns the `pieces` of what is left.

    Parameters
    ----------
    masks : ndarray of uint32, shape (n, 32), or of uint64, shape (n, 64)
    k : int
    inside : int
        What is made smaller.
    near, across : int
        Where the four pixels beside must lie, and the four across a corner.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        left, beside, corners = (
            builder.load(_mask(target, builder, signature, given, which), align=4) for which in (2, 3, 4)
        )
        wide = _sides(builder, corners)
        for part in (_up(builder, beside), _down(builder, beside), _sides(builder, beside)):
            left = builder.and_(left, part)
        left = builder.and_(left, builder.and_(_up(builder, wide), _down(builder, wide)))
        builder.store(left, _mask(target, builder, signature, given, 1), align=4)
        return _euler(builder, left)

    return _signed(masks)(masks, k, inside, near, across), generate


@njit(cache=True, nogil=True)
def draw(spans: Int32Array, top: int, left: int, rows: Masks) -> None:
    """Draw runs (row, first column, one past the last) of an object whose box begins at ``top``, ``left``."""
    one = rows.dtype.type(1)
    rows[:] = 0
    for k in range(spans.shape[0]):
        begin, end = rows.dtype.type(spans[k, 1] - left + 1), rows.dtype.type(spans[k, 2] - left + 1)
        rows[np.uint64(spans[k, 0] - top + 1)] |= (one << end) - (one << begin)
