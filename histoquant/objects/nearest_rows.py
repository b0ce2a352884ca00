"""A row of distances from the rows behind it and along itself, 32 pixels at once, all in registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

from histoquant.objects.lane_rows import RUN, spread, values_at

KeyArray = npt.NDArray[np.integer]

STRIDE = 4
"""The longest along a row that stays in registers; `behind` and `along` go as far as they are asked."""
_kernel = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
_LANE = ir.IntType(32)


def _less(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.icmp_unsigned("<", one, other), one, other)


class _Steps:
    """Steps in every lane."""

    def __init__(self, builder: Any, given: Any) -> None:
        self._builder = builder
        self.straight, self.diagonal, self.knight = (
            spread(builder, builder.extract_value(given, k), RUN) for k in range(3)
        )

    def behind(self, row: Any, one: list[Any], two: list[Any]) -> Any:
        """Minima of pixels and those of the row behind them (-2 to 2) and of that before it (-1 and 1)."""
        builder = self._builder
        near = builder.add(_less(builder, one[1], one[3]), self.diagonal)
        far = _less(builder, _less(builder, one[0], one[4]), _less(builder, two[0], two[1]))
        best = _less(builder, row, builder.add(one[2], self.straight))
        return _less(builder, _less(builder, best, near), builder.add(far, self.knight))

    def along(self, way: int, stride: int, here: Any, before: Any) -> Any:
        """Minima of four at each stride, of which some lie in the pixels that came before."""
        builder, best = self._builder, here
        for turn in range(1, 4):
            first = RUN - turn * stride if way > 0 else turn * stride
            lanes = ir.Constant(ir.VectorType(_LANE, RUN), list(range(first, first + RUN)))
            pair = (before, here) if way > 0 else (here, before)
            step = builder.mul(self.straight, ir.Constant(here.type, [turn * stride] * RUN))
            best = _less(builder, best, builder.add(builder.shuffle_vector(*pair, lanes), step))
        return best


def _sweep(way: int) -> Callable[..., Any]:
    """Of rows that are gone through from the left (1) or from the right (-1)."""

    @intrinsic
    def sweep(context: Any, rows: Any, steps: Any, far: Any, first: Any, count: Any) -> Any:
        def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
            kind, whole = rows.dtype, ir.IntType(64)
            starts = [
                target.make_array(kind)(target, builder, builder.extract_value(given[0], k)).data
                for k in range(3)
            ]
            told = _Steps(builder, given[1])
            begin = target.cast(builder, given[3], first, types.int64)
            turns = target.cast(builder, given[4], count, types.int64)
            before = [cgutils.alloca_once_value(builder, spread(builder, given[2], RUN)) for _ in (1, STRIDE)]

            def at(row: int, place: Any, more: int = 0) -> Any:
                return builder.gep(starts[row], [builder.add(place, ir.Constant(whole, more))])

            with cgutils.for_range(builder, turns, intp=whole) as loop:
                turn = loop.index
                if way < 0:
                    turn = builder.sub(builder.sub(turns, ir.Constant(whole, 1)), turn)
                place = builder.add(begin, builder.mul(turn, ir.Constant(whole, RUN)))
                one = [values_at(builder, kind, at(1, place, more), RUN) for more in range(-2, 3)]
                two = [values_at(builder, kind, at(2, place, more), RUN) for more in (-1, 1)]
                here = told.behind(values_at(builder, kind, at(0, place), RUN), one, two)
                for stride, held in zip((1, STRIDE), before, strict=True):
                    wider = told.along(way, stride, here, builder.load(held))
                    builder.store(here, held)
                    here = wider
                out = builder.bitcast(at(0, place), here.type.as_pointer())
                builder.store(here, out, align=kind.dtype.bitwidth // 8)
            return target.get_dummy_value()

        return types.void(rows, steps, far, first, count), generate

    return sweep  # type: ignore[no-any-return]


# Both ask for: the row, which receives its minima, and the two behind it; three steps; the key of no object;
# the first column; and how often `RUN` pixels follow. Two more are read on either side.
sweep_right, sweep_left = _sweep(1), _sweep(-1)


@_kernel
def behind(
    row: KeyArray, one: KeyArray, two: KeyArray, steps: KeyArray, span: tuple[int, int], out: KeyArray
) -> None:
    """Minima of a row and the two behind it, which need no order."""
    straight, diagonal, knight = steps
    key = out.dtype.type
    near, wide = np.uint64(1), np.uint64(2)
    for x in range(span[0], span[1]):
        best = min(row[x], key(one[x] + straight))
        best = min(best, key(min(one[x - near], one[x + near]) + diagonal))
        far = min(min(one[x - wide], one[x + wide]), min(two[x - near], two[x + near]))
        out[x] = min(best, key(far + knight))


@_kernel
def along(
    spare: KeyArray, straight: int, longest: int, way: int, span: tuple[int, int], out: KeyArray
) -> None:
    """Minima along a row from the left (1) or right (-1), as far as the reach: of four at each stride."""
    row, other, stride = spare[0], spare[1], 1
    while stride < longest:
        _four(row, stride, straight * stride, way, span, other)
        row, other, stride = other, row, 4 * stride
    _four(row, stride, straight * stride, way, span, out)


@_kernel
def _four(row: KeyArray, stride: int, step: int, way: int, span: tuple[int, int], out: KeyArray) -> None:
    key = out.dtype.type
    one, two, three = np.uint64(stride), np.uint64(2 * stride), np.uint64(3 * stride)
    once, twice, thrice = key(step), key(2 * step), key(3 * step)
    if way > 0:
        for x in range(span[0], span[1]):
            near = min(row[x], key(row[x - one] + once))
            out[x] = min(near, min(key(row[x - two] + twice), key(row[x - three] + thrice)))
    else:
        for x in range(span[0], span[1]):
            near = min(row[x], key(row[x + one] + once))
            out[x] = min(near, min(key(row[x + two] + twice), key(row[x + three] + thrice)))
