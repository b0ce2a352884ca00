"""Which pixels of a row join an object beside them: 64 at once, each asked in all four directions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

from histoquant.objects.lane_rows import values_at
from histoquant.objects.marks import WORD

# What is seen of pixels: of the row above, their own and the one below; and, of these, so many columns on.
_DARK, _LABEL, _GATE = range(3)
_ABOVE, _HERE, _BELOW = range(3)
_BESIDE = ((_ABOVE, 0), (_HERE, -1), (_HERE, 1), (_BELOW, 0))


class _Rows:
    """Vectors of the rows that an intrinsic was given, from a place on."""

    def __init__(self, target: Any, builder: Any, kinds: Any, held: Any, place: Any) -> None:
        self._target, self._builder, self._place = target, builder, place
        self._kinds, self._held = kinds, held

    def start(self, which: int, row: int | None = None, more: int = 0) -> tuple[Any, Any]:
        kind, held = self._kinds[which], self._builder.extract_value(self._held, which)
        if row is not None:
            kind, held = kind[row], self._builder.extract_value(held, row)
        array = self._target.make_array(kind)(self._target, self._builder, held)
        place = self._builder.add(self._place, ir.Constant(self._place.type, more))
        return kind, self._builder.gep(array.data, [place])

    def load(self, which: int, row: int, more: int = 0) -> Any:
        kind, start = self.start(which, row, more)
        return values_at(self._builder, kind, start, WORD)

    def store(self, which: int, values: Any) -> None:
        kind, start = self.start(which)
        at = self._builder.bitcast(start, values.type.as_pointer())
        self._builder.store(values, at, align=kind.dtype.bitwidth // 8)


def _larger(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.icmp_signed(">", one, other), one, other)


@intrinsic
def join(context: Any, rows: Any, levels: Any, x: Any, may: Any, out: Any) -> Any:
    """Let 64 pixels join the darkest pixel beside them that lets them, if it is as dark as they are.

    Of equally dark ones the first in the order up, left, right, down.

    Parameters
    ----------
    rows : tuple of 3 tuples of ndarray, each of one axis
        Darkness (int16 or int32), labels (uint16 or int32) and gates (uint8) of the rows above, of the pixels
        and below. What is in no object has label and gate 0.
    levels : ndarray of uint8, one axis
        A pixel joins only where a gate is larger than 255 less its level.
    x : int
        First of the pixels; in all rows there is something before the first and after the last of them.
    may : uint64
        Bits of those that may join at all.
    out : tuple of 1 or 2 ndarray
        Receive labels, and gates if those are wanted.

    Returns
    -------
    uint64
        Bits of those that joined.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = target.cast(builder, given[2], x, types.intp)
        seen = _Rows(target, builder, rows, given[0], place)
        made = _Rows(target, builder, out, given[4], place)
        level = target.make_array(levels)(target, builder, given[1]).data
        need = builder.not_(values_at(builder, levels, builder.gep(level, [place]), WORD))
        own = seen.load(_DARK, _HERE)
        least = ir.Constant(own.type, [-1] * WORD)
        keys = []
        for row, more in _BESIDE:
            lets = builder.icmp_unsigned("<", need, seen.load(_GATE, row, more))
            keys.append(builder.select(lets, seen.load(_DARK, row, more), least))
        most = _larger(builder, _larger(builder, keys[0], keys[1]), _larger(builder, keys[2], keys[3]))
        joins = builder.and_(
            builder.icmp_signed(">=", most, own),
            builder.bitcast(given[3], ir.VectorType(ir.IntType(1), WORD)),
        )
        is_it = [builder.icmp_signed("==", key, most) for key in keys[:-1]]
        for to, which in enumerate((_LABEL, _GATE)[: len(out)]):
            best = seen.load(which, *_BESIDE[-1])
            for turn in reversed(range(len(is_it))):
                best = builder.select(is_it[turn], seen.load(which, *_BESIDE[turn]), best)
            made.store(to, builder.select(joins, best, seen.load(which, _HERE)))
        return builder.bitcast(joins, ir.IntType(WORD))

    return types.uint64(rows, levels, x, types.uint64, out), generate


@intrinsic
def stay(context: Any, rows: Any, x: Any, out: Any) -> Any:
    """As `join`, where no pixel joins."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = target.cast(builder, given[1], x, types.intp)
        seen = _Rows(target, builder, rows, given[0], place)
        made = _Rows(target, builder, out, given[2], place)
        for to, which in enumerate((_LABEL, _GATE)[: len(out)]):
            made.store(to, seen.load(which, _HERE))
        return target.get_dummy_value()

    return types.void(rows, x, out), generate
