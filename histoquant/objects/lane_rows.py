"""Rows of a plane under the rows of small masks: 32 or 64 pixels are compared, summed or maximised at once.

Words are those of `lanes`: as many pixels are read, from the flat place of the first on, as a word has bits.
They must lie in the plane, if not in one of its rows.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

_SUM = ir.IntType(32)
_WORD = 64
RUN = 32
"""Pixels that are set at once."""


def start_of(target: Any, builder: Any, signature: Any, given: Any) -> Any:
    """Pointer to a flat place, the second argument, of an array, the first."""
    kind, placed = signature.args[:2]
    array = target.make_array(kind)(target, builder, given[0])
    return builder.gep(array.data, [target.cast(builder, given[1], placed, types.intp)])


def values_at(builder: Any, kind: Any, start: Any, lanes: int) -> Any:
    """So many values of an array from a pointer on, as a vector."""
    values = ir.VectorType(ir.IntType(kind.dtype.bitwidth), lanes)
    return builder.load(builder.bitcast(start, values.as_pointer()), align=kind.dtype.bitwidth // 8)


def _pixels(target: Any, builder: Any, signature: Any, given: Any, lanes: int) -> Any:
    """Values of a plane, the first argument, from a flat place on, the second."""
    return values_at(builder, signature.args[0], start_of(target, builder, signature, given), lanes)


def _lit(builder: Any, word: Any) -> Any:
    """The bits of a word, a lane each."""
    return builder.bitcast(word, ir.VectorType(ir.IntType(1), word.type.width))


def reduced(builder: Any, how: str, values: Any) -> Any:
    """All lanes of a vector as one number, by one of LLVM's reductions."""
    vector = values.type
    name = f"llvm.vector.reduce.{how}.v{vector.count}i{vector.element.width}"
    kind = ir.FunctionType(vector.element, [vector])
    return builder.call(builder.module.declare_intrinsic(name, (), kind), [values])


@intrinsic
def at_least(context: Any, plane: Any, place: Any, level: Any) -> Any:
    """Bit ``i`` says whether ``plane[place + i]`` is at least so much, for 64 pixels.

    Parameters
    ----------
    plane : ndarray of int16 or int32, flat
    place : int
    level : int
        Within 32 bits.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        held = _pixels(target, builder, signature, given, _WORD)
        one, kind = target.cast(builder, given[2], level, types.int32), held.type.element
        if kind == _SUM:
            lit = builder.icmp_signed(">=", held, spread(builder, one, _WORD))
            return builder.bitcast(lit, ir.IntType(_WORD))
        # compared as narrow as they are, with the nearest level that is so, too
        most, least = _SUM((1 << kind.width - 1) - 1), _SUM(-(1 << kind.width - 1))
        beyond = builder.icmp_signed(">", one, most)
        near = builder.select(builder.icmp_signed("<", one, least), least, builder.select(beyond, most, one))
        lit = builder.icmp_signed(">=", held, spread(builder, builder.trunc(near, kind), _WORD))
        word = builder.bitcast(lit, ir.IntType(_WORD))
        return builder.select(beyond, word.type(0), word)

    return types.uint64(plane, place, level), generate


def spread(builder: Any, value: Any, lanes: int) -> Any:
    """One value in every lane."""
    single = builder.insert_element(
        ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined), value, _SUM(0)
    )
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(_SUM, lanes), [0] * lanes))


@intrinsic
def largest(context: Any, plane: Any, place: Any, word: Any) -> Any:
    """Largest value of the pixels whose bits are set; the smallest number of the type without any.

    Parameters
    ----------
    plane : ndarray of int16 or int32, flat
    place : int
    word : uint32 or uint64
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes, bits = word.bitwidth, plane.dtype.bitwidth
        held = _pixels(target, builder, signature, given, lanes)
        least = ir.Constant(held.type, [-(1 << (bits - 1))] * lanes)
        return reduced(builder, "smax", builder.select(_lit(builder, given[2]), held, least))

    return plane.dtype(plane, place, word), generate


@intrinsic
def positive(context: Any, plane: Any, place: Any, word: Any) -> Any:
    """Sum of the pixels above 0 whose bits are set.

    Parameters
    ----------
    plane : ndarray of int16, flat
    place : int
    word : uint32 or uint64
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = word.bitwidth
        held = _pixels(target, builder, signature, given, lanes)
        none = ir.Constant(held.type, [0] * lanes)
        counts = builder.and_(_lit(builder, given[2]), builder.icmp_signed(">", held, none))
        wide = builder.sext(builder.select(counts, held, none), ir.VectorType(_SUM, lanes))
        return reduced(builder, "add", wide)

    return types.int32(plane, place, word), generate


@intrinsic
def same(context: Any, plane: Any, place: Any, value: Any, word: Any) -> Any:
    """Bits that are set in a word and whose pixels have a value.

    Parameters
    ----------
    plane : ndarray of int16 or int32, flat
    place : int
    value : int
    word : uint32 or uint64
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = word.bitwidth
        held = _pixels(target, builder, signature, given, lanes)
        one = target.cast(builder, given[2], value, plane.dtype)
        alike = builder.bitcast(
            builder.icmp_unsigned("==", held, spread(builder, one, lanes)), ir.IntType(lanes)
        )
        return builder.and_(alike, given[3])

    return word(plane, place, value, word), generate


@intrinsic
def weighed(context: Any, plane: Any, place: Any, plus: Any, minus: Any) -> Any:
    """Sum of the pixels of some words less that of others.

    Parameters
    ----------
    plane : ndarray of int16 or int32, flat
        Within +-2^20.
    place : int
    plus, minus : tuple of uint32 or uint64
        A pixel counts once for each word that holds it.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        lanes = plus.dtype.bitwidth
        narrow = ir.VectorType(ir.IntType(8), lanes)
        weight = ir.Constant(narrow, [0] * lanes)
        for words, change in ((given[2], builder.sub), (given[3], builder.add)):
            for word in range(len(words.type.elements)):
                # a bit that is set is -1
                lit = builder.sext(_lit(builder, builder.extract_value(words, word)), narrow)
                weight = change(weight, lit)
        wide = ir.VectorType(_SUM, lanes)
        held = _pixels(target, builder, signature, given, lanes)
        held = held if held.type == wide else builder.sext(held, wide)
        return reduced(builder, "add", builder.mul(held, builder.sext(weight, wide)))

    return types.int32(plane, place, plus, minus), generate


@intrinsic
def set_run(context: Any, row: Any, x: Any, count: Any, value: Any) -> Any:
    """Give so many pixels of a row, from place ``x`` on and at most `RUN`, one value.

    Parameters
    ----------
    row : ndarray of whole numbers, one axis
        As many as `RUN` are read from there on, and written as they were.
    x : int
    count : int
    value : int
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        start = start_of(target, builder, signature, given)
        held = values_at(builder, row, start, RUN)
        most = ir.Constant(_SUM, RUN)
        asked = target.cast(builder, given[2], count, types.int64)
        fits = builder.icmp_signed("<", asked, ir.Constant(asked.type, RUN))
        here = builder.select(fits, builder.trunc(asked, _SUM), most)
        lanes = ir.Constant(ir.VectorType(_SUM, RUN), list(range(RUN)))
        own = builder.icmp_signed("<", lanes, spread(builder, here, RUN))
        one = spread(builder, target.cast(builder, given[3], value, row.dtype), RUN)
        place = builder.bitcast(start, held.type.as_pointer())
        builder.store(builder.select(own, one, held), place, align=row.dtype.bitwidth // 8)
        return target.get_dummy_value()

    return types.void(row, x, count, value), generate
