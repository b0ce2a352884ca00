"""The edges of 32 pixels at once: loops over so many rows are more than compilers turn into vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from histoquant.objects.lane_rows import start_of, values_at

IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]

LANES = 32
"""Pixels that are told at once: rows are as long as a multiple of these."""
_PLACE, _WORDS = ir.IntType(64), ir.VectorType(ir.IntType(32), LANES)
_BELOW, _BEFORE, _AFTER = range(1, 4)


class Band(NamedTuple):
    """The rows around one, each at its number less whole turns, with its first and last pixel repeated.

    Attributes
    ----------
    levels : ndarray of uint8, shape (rows, wide)
    taken : ndarray of uint8, shape (rows, wide), or None
        Not 0 where blocked.
    dark : ndarray, shape (rows, wide)
    doubt : ndarray, shape (rows, wide), or None
    steps : ndarray, shape (2, wide)
        To a row from the one above and from the one below, in turn.
    steepest : ndarray, shape (rows of blocks, w), or None
        Receives the largest steps, in the columns of the frame; there is room beyond the end of a row.
    room : int
        Before the first pixel of a row, but for the steepest: one more than steps reach.
    """

    levels: UInt8Array
    taken: UInt8Array | None
    dark: IntArray
    doubt: IntArray | None
    steps: IntArray
    steepest: IntArray | None
    room: int


class Rows(NamedTuple):
    """Where rows lie in a `Band`: of levels and the like, of darkness, of steps, and of the steepest."""

    above: int
    here: int
    below: int
    back: int
    ahead: int
    known: int
    told: int
    block: int


@intrinsic
def tell_edges(context: Any, band: Any, rows: Any, x: Any, words: Any) -> Any:
    """Words of 32 pixels, as of `edge_words`.

    Parameters
    ----------
    band : Band
        Its steps from above are known, and those from below are set.
    rows : Rows
    x : int
        First of the pixels.
    words : ndarray of int32, shape (w,)
        Receives them.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        pixels = _Pixels(target, builder, signature.args, given)
        here, (low, beside) = pixels.read("levels", "here"), _counts(builder, pixels)
        total = _wide(builder, pixels.read("steps", "known"))
        for side, (inner, outer, doubt) in _sides(pixels).items():
            darker = builder.icmp_unsigned(">", beside[side], here)
            step = builder.sub(inner, outer)
            if doubt is not None:
                less = builder.sub(step, doubt)
                step = builder.select(darker, builder.add(step, pixels.read("doubt", "here")), less)
            no_edge = builder.icmp_unsigned("==", beside[side], here)
            step = builder.select(no_edge, _all(step.type, 0), step)
            total = builder.add(total, _wide(builder, step))
            if side == _BELOW:
                # what an edge adds to one of its pixels it takes off the other
                pixels.store(builder.neg(step), pixels.start("steps", "told"))
            if side != _AFTER and pixels.known("steepest"):
                # of which the first column is the frame's
                most, steep = (
                    pixels.read("steepest", "block", 0, -1),
                    builder.select(darker, builder.neg(step), step),
                )
                pixels.store(_one_of(builder, "smax", most, steep), pixels.start("steepest", "block", 0, -1))
        word = builder.add(builder.shl(total, _all(_WORDS, 8)), builder.zext(low, _WORDS))
        pixels.store(word, pixels.flat(signature.args[3], given[3]))
        return target.get_dummy_value()

    return types.void(band, rows, x, words), generate


class _Pixels:
    """Vectors of a `Band`'s rows."""

    def __init__(self, target: Any, builder: Any, kinds: Any, given: Any) -> None:
        self.target, self.builder, self.kinds, self.given = target, builder, kinds, given
        self.x = target.cast(builder, given[2], kinds[2], types.intp)

    def of(self, tuple_at: int, field: str) -> tuple[Any, Any]:
        """Type and value of a field."""
        at = self.kinds[tuple_at].fields.index(field)
        return self.kinds[tuple_at].types[at], self.builder.extract_value(self.given[tuple_at], at)

    def number(self, tuple_at: int, field: str) -> Any:
        """Value of a whole number."""
        kind, value = self.of(tuple_at, field)
        return self.target.cast(self.builder, value, kind, types.intp)

    def known(self, field: str) -> bool:
        """Whether there are such rows."""
        return bool(self.of(0, field)[0] != types.none)

    def flat(self, kind: Any, row: Any) -> Any:
        """Pointer to the pixel in a row that has no room before its first."""
        return start_of(self.target, self.builder, types.void(kind, types.intp), (row, self.x))

    def start(self, field: str, row: str, aside: int = 0, reaches: int = 0) -> Any:
        """Pointer to the pixel so many columns and reaches aside."""
        builder, (kind, value), room = self.builder, self.of(0, field), self.number(0, "room")
        (pitch, _) = cgutils.unpack_tuple(
            builder, self.target.make_array(kind)(self.target, builder, value).strides
        )
        apart = builder.sdiv(pitch, _PLACE(kind.dtype.bitwidth // 8))
        place = builder.mul(self.number(1, row), apart)
        moved = builder.mul(builder.sub(room, _PLACE(1)), _PLACE(reaches))
        for more in (room, moved, _PLACE(aside)):
            place = builder.add(place, more)
        return builder.gep(self.flat(kind, value), [place])

    def read(self, field: str, row: str, aside: int = 0, reaches: int = 0) -> Any:
        """The pixels from there on."""
        start = self.start(field, row, aside, reaches)
        return values_at(self.builder, self.of(0, field)[0], start, LANES)

    def store(self, values: Any, start: Any) -> None:
        """Write pixels."""
        at = self.builder.bitcast(start, values.type.as_pointer())
        self.builder.store(values, at, align=values.type.element.width // 8)


def _counts(builder: Any, pixels: _Pixels) -> tuple[Any, list[Any]]:
    """The low bytes of words, and levels on all four sides: those of here where no edge is free."""
    here = pixels.read("levels", "here")
    places = (("above", 0), ("below", 0), ("here", -1), ("here", 1))
    beside = [pixels.read("levels", row, aside) for row, aside in places]
    low = _all(here.type, 8)
    if pixels.known("taken"):
        none, more = _all(here.type, 0), _all(here.type, 16)
        blocked = builder.icmp_unsigned("!=", pixels.read("taken", "here"), none)
        for side, (row, aside) in enumerate(places):
            taken = builder.icmp_unsigned("!=", pixels.read("taken", row, aside), none)
            low = builder.add(low, builder.select(taken, more, none))
            beside[side] = builder.select(builder.or_(taken, blocked), here, beside[side])
    one = _all(here.type, 1)
    lighter, darker = (_one_of(builder, name, here, one) for name in ("usub.sat", "uadd.sat"))
    for level in beside:
        # 1 less than here where the pixel there is lighter, 1 more where it is darker
        nearest = _one_of(builder, "umin", _one_of(builder, "umax", level, lighter), darker)
        low = builder.add(low, builder.sub(here, nearest))
    return low, beside


def _sides(pixels: _Pixels) -> dict[int, tuple[Any, Any, Any]]:
    """Darkness on this side of an edge and on the other, and the doubt there, or None."""
    read, doubts = pixels.read, [None, None, None]
    if pixels.known("doubt"):
        doubts = [read("doubt", "below"), read("doubt", "here", -1), read("doubt", "here", 1)]
    return {
        _BELOW: (read("dark", "back"), read("dark", "ahead"), doubts[0]),
        _BEFORE: (read("dark", "here", 0, 1), read("dark", "here", -1, -1), doubts[1]),
        _AFTER: (read("dark", "here", 0, -1), read("dark", "here", 1, 1), doubts[2]),
    }


def _one_of(builder: Any, name: str, one: Any, two: Any) -> Any:
    """What the processor knows as one instruction for two vectors."""
    kind = ir.FunctionType(one.type, [one.type, one.type])
    full = f"llvm.{name}.v{one.type.count}i{one.type.element.width}"
    return builder.call(builder.module.declare_intrinsic(full, (), kind), [one, two])


def _all(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _wide(builder: Any, values: Any) -> Any:
    return values if values.type == _WORDS else builder.sext(values, _WORDS)
