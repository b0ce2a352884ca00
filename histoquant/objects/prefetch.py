"""Ask for memory before it is needed, where a kernel jumps about in a plane and knows where to."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

# To read, to be kept in all caches, data: as LLVM's `prefetch` numbers them.
_READ, _KEEP, _DATA = 0, 3, 1


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
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        called = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        )
        builder.call(called, [builder.bitcast(pointer, byte), word(_READ), word(_KEEP), word(_DATA)])
        return target.get_dummy_value()

    return types.void(plane, y, x), generate
