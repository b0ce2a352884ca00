"""Ask for memory before it is needed, where a kernel jumps about in a plane and knows where to."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from histoquant.objects.lane_rows import start_of

# To read or to write, to be kept in all caches, data: as LLVM's `prefetch` numbers them.
_READ, _WRITE, _KEEP, _DATA = 0, 1, 3, 1


@intrinsic
def prefetch(context: Any, plane: Any, y: Any, x: Any) -> Any:
    """Have the processor fetch what lies at ``plane[y, x]`` while other work goes on.

    Parameters
    ----------
    plane : ndarray, shape (h, w)
    y, x : int
        Not negative; the column may lie beyond the last one, because nothing is read.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, *_ = signature.args
        place = [
            target.cast(builder, value, given_as, types.intp)
            for value, given_as in zip(given[1:], signature.args[1:], strict=True)
        ]
        array = target.make_array(kind)(target, builder, given[0])
        pointer = cgutils.get_item_pointer(target, builder, kind, array, place, wraparound=False)
        _ask(builder, pointer, _READ)
        return target.get_dummy_value()

    return types.void(plane, y, x), generate


@intrinsic
def prefetch_to_write(context: Any, row: Any, x: Any) -> Any:
    """Have the processor make ready what lies at ``row[x]``, to be written soon.

    Parameters
    ----------
    row : ndarray, shape (w,)
    x : int
        Not negative; it may lie beyond the last, because nothing is read.
    """

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        _ask(builder, start_of(target, builder, signature, given), _WRITE)
        return target.get_dummy_value()

    return types.void(row, x), generate


def _ask(builder: Any, pointer: Any, how: int) -> None:
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    called = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
    builder.call(called, [builder.bitcast(pointer, byte), word(how), word(_KEEP), word(_DATA)])
