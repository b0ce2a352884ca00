"""Pixels of scattered runs laid side by side, 32 at a time, so that a cell is summed in one short loop."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from histoquant.objects.cell_kinds import NOWHERE, SHELL_BITS
from histoquant.objects.lane_rows import reduced, spread, start_of, values_at

LANES = 32
"""Pixels that are copied at once: more than a cell is wide in most rows."""
FIELD_BITS = 26
"""Of a sum of DAB or haematoxylin within one number; the number of pixels lies above both."""
BIAS = 1 << 15
"""Added to each value, so that none is negative."""
# 10 mOD bins from -0.25 to 2.75 OD: finer than the noise of a pixel, wider than an 8-bit scanner reaches.
BIN_MOD, FIRST_MOD, BINS = 10, -250, 300
SECTORS, SECTOR_BITS = 8, 3
# A word of 16 bits says of a pixel, from below: its direction, its shell, its place and the bin of its DAB.
PLACE_FROM = SECTOR_BITS + SHELL_BITS
BIN_FROM = PLACE_FROM + 2
TURNS = 4
"""Tables of sums: pixels that follow each other are often of a kind, and in turn no sum waits for another."""

_LONG = ir.IntType(64)


def _all(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _store(builder: Any, values: Any, start: Any) -> None:
    place = builder.bitcast(start, values.type.as_pointer())
    builder.store(values, place, align=values.type.element.width // 8)


@intrinsic
def lay_beside(
    context: Any, planes: Any, place: Any, turns: Any, asked: Any, told: Any, held: Any, at: Any
) -> Any:
    """Copy `LANES` pixels from a flat place on, and tell of each all that sums ask.

    Parameters
    ----------
    planes : tuple of ndarray of uint8, int16 and int16, flat
        Kinds as `tell_row` tells them, DAB and haematoxylin.
    place : int
    turns : tuple of three int16
        In pixels from that place: the last of the flat direction on the left, the first right of the
        centroid, the first of the flat direction on the right.
    asked : tuple of two int16
        1 if the row lies below the centroid, else 0; and DAB (mOD) from which a pixel of nucleus or
        cytoplasm is stained.
    told : ndarray of uint16
        Receives, from ``at`` on, the direction (4 on the right, 2 below, 1 in the flat one of both), from bit
        `SECTOR_BITS` on the kind, and from bit `BIN_FROM` on the bin of DAB.
    held : ndarray of int64
        Receives 1, DAB and haematoxylin as one number, of which many can be added at once.
    at : int

    Returns
    -------
    uint32
        Bit ``i`` says whether the pixel ``i`` is stained.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        def start(of: Any, kind: Any, placed: int) -> Any:
            return start_of(target, builder, types.void(kind, signature.args[placed]), (of, given[placed]))

        narrow, dab, hematoxylin = (
            values_at(builder, kind, start(builder.extract_value(given[0], k), kind, 1), LANES)
            for k, kind in enumerate(planes)
        )
        left, middle, right = (spread(builder, builder.extract_value(given[2], k), LANES) for k in range(3))
        below, stained = (spread(builder, builder.extract_value(given[3], k), LANES) for k in range(2))
        kind = builder.zext(narrow, dab.type)
        word = builder.shl(_bin_of(builder, dab), _all(dab.type, BIN_FROM))
        word = builder.or_(word, builder.shl(kind, _all(dab.type, SECTOR_BITS)))
        word = builder.or_(word, _sector(builder, left, middle, right, below))
        _store(builder, word, start(given[4], told, 6))
        _store(builder, _together(builder, dab, hematoxylin), start(given[5], held, 6))
        inside = builder.icmp_unsigned("<", narrow, _all(narrow.type, NOWHERE << SHELL_BITS))
        lit = builder.and_(inside, builder.icmp_signed(">=", dab, stained))
        return builder.bitcast(lit, ir.IntType(LANES))

    return types.uint32(planes, place, turns, asked, told, held, at), generate


def _bin_of(builder: Any, dab: Any) -> Any:
    """Number of the bin that holds each DAB; what lies beyond is in the first and the last."""
    least, most = _all(dab.type, FIRST_MOD), _all(dab.type, FIRST_MOD + BIN_MOD * BINS - 1)
    dab = builder.select(builder.icmp_signed("<", dab, least), least, dab)
    dab = builder.select(builder.icmp_signed(">", dab, most), most, dab)
    return builder.udiv(builder.sub(dab, least), _all(dab.type, BIN_MOD))


def _sector(builder: Any, left: Any, middle: Any, right: Any, below: Any) -> Any:
    column, none = ir.Constant(left.type, list(range(LANES))), _all(left.type, 0)
    flat = builder.or_(builder.icmp_signed("<=", column, left), builder.icmp_signed(">=", column, right))
    beyond = builder.icmp_signed(">=", column, middle)
    sector = builder.shl(below, _all(left.type, 1))
    for lit, bit in ((flat, 0), (beyond, 2)):
        sector = builder.or_(sector, builder.select(lit, _all(left.type, 1 << bit), none))
    return sector


def _together(builder: Any, dab: Any, hematoxylin: Any) -> Any:
    """1, DAB and haematoxylin in one number each."""
    wide = ir.VectorType(_LONG, LANES)
    high, low = (
        # a number of 16 bits with its sign turned is that number and `BIAS`
        builder.zext(builder.xor(values, _all(values.type, BIAS)), wide)
        for values in (dab, hematoxylin)
    )
    both = builder.or_(builder.shl(high, _all(wide, FIELD_BITS)), low)
    return builder.or_(both, _all(wide, 1 << 2 * FIELD_BITS))


@intrinsic
def take_apart(context: Any, packed: Any, places: Any, shells: Any) -> Any:
    """Add sums of what `lay_beside` made one number to sums of each, and clear them.

    Parameters
    ----------
    packed : ndarray of int64, shape (4, places * shells * directions)
        Cleared.
    places : ndarray of int64, shape (3, places)
        Pixels, DAB and haematoxylin, without what was added to either.
    shells : ndarray of int64, shape (3, shells * directions)
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        sorts, ring = 1 << BIN_FROM, 1 << PLACE_FROM
        tables = _rows(target, builder, packed, given[0], sorts, TURNS)
        total = _added(builder, [builder.load(table, align=8) for table in tables])
        for table in tables:
            builder.store(_all(total.type, 0), table, align=8)
        parts = [_part(builder, total, first, ring) for first in range(0, sorts, ring)]
        by_place = ir.Constant(ir.VectorType(_LONG, len(parts)), ir.Undefined)
        for place, part in enumerate(parts):
            held = reduced(builder, "add", part)
            by_place = builder.insert_element(by_place, held, ir.Constant(_LONG, place))
        for out, kind, sums in ((1, places, by_place), (2, shells, _added(builder, parts))):
            rows = _rows(target, builder, kind, given[out], sums.type.count, 3)
            for row, field in zip(rows, _fields(builder, sums), strict=True):
                builder.store(builder.add(builder.load(row, align=8), field), row, align=8)
        return target.get_dummy_value()

    return types.void(packed, places, shells), generate


def _rows(target: Any, builder: Any, kind: Any, given: Any, width: int, count: int) -> Any:
    """Pointers to the rows of an array, each to be one vector."""
    first = target.make_array(kind)(target, builder, given).data
    vector = ir.VectorType(_LONG, width).as_pointer()
    return [builder.bitcast(builder.gep(first, [_LONG(width * row)]), vector) for row in range(count)]


def _added(builder: Any, vectors: Any) -> Any:
    total = vectors[0]
    for more in vectors[1:]:
        total = builder.add(total, more)
    return total


def _part(builder: Any, vector: Any, first: int, width: int) -> Any:
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(first, first + width)))
    return builder.shuffle_vector(vector, vector, lanes)


def _fields(builder: Any, sums: Any) -> Any:
    """Pixels, DAB and haematoxylin."""
    bits, mask = _all(sums.type, FIELD_BITS), _all(sums.type, (1 << FIELD_BITS) - 1)
    high = builder.lshr(sums, bits)
    pixels = builder.lshr(high, bits)
    bias = builder.mul(pixels, _all(sums.type, BIAS))
    return pixels, *(builder.sub(builder.and_(held, mask), bias) for held in (high, sums))
