"""Means of squares of 2 x 2 pixels, eight at once: two bytes of a colour are added as halves of a number."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit
from numba.core import types
from numba.extending import intrinsic

_AT_ONCE: Final = 8
_BYTES: Final = 3 * _AT_ONCE
_READ, _WRITTEN = ir.VectorType(ir.IntType(8), 2 * _BYTES), ir.VectorType(ir.IntType(8), _BYTES)
_SUMS, _PLACES = ir.VectorType(ir.IntType(16), _BYTES), ir.VectorType(ir.IntType(32), 2 * _BYTES)
# each byte beside that of the same colour in the next pixel
_BESIDE: Final = [6 * x + c + step for x in range(_AT_ONCE) for c in range(3) for step in (0, 3)]


@njit(cache=True, nogil=True)
def halve(rows, out):  # type: ignore[no-untyped-def]
    """Average squares of 2 x 2 pixels, rounded half up.

    Parameters
    ----------
    rows : ndarray of uint8, shape (2 h, 6 w)
        Red, green and blue in turn.
    out : ndarray of uint8, shape (h, 3 w)
        Receives the means.
    """
    width = out.shape[1]
    whole = width - width % _BYTES
    for y in range(len(out)):
        upper, lower, means = rows[2 * y], rows[2 * y + 1], out[y]
        for x in range(0, whole, _BYTES):
            _halve_eight(upper, lower, means, x)
        for x in range(whole, width):
            at = x // 3 * 6 + x % 3
            total = int(upper[at]) + upper[at + 3] + lower[at] + lower[at + 3]
            means[x] = (total + 2) >> 2


@intrinsic
def _halve_eight(context: Any, upper: Any, lower: Any, means: Any, x: Any) -> Any:
    """Average squares of two rows into 24 bytes from byte ``x`` on."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        kinds = signature.args
        to = target.cast(builder, given[3], kinds[3], types.intp)
        two, low, byte = (ir.Constant(_SUMS, [number] * _BYTES) for number in (2, 255, 8))
        total = two
        for kind, row in zip(kinds[:2], given[:2], strict=True):
            at = builder.gep(
                target.make_array(kind)(target, builder, row).data, [builder.mul(to, to.type(2))]
            )
            pixels = builder.load(builder.bitcast(at, _READ.as_pointer()), align=1)
            beside = builder.shuffle_vector(pixels, pixels, ir.Constant(_PLACES, _BESIDE))
            pairs = builder.bitcast(beside, _SUMS)
            total = builder.add(total, builder.add(builder.and_(pairs, low), builder.lshr(pairs, byte)))
        at = builder.gep(target.make_array(kinds[2])(target, builder, given[2]).data, [to])
        mean = builder.trunc(builder.lshr(total, two), _WRITTEN)
        builder.store(mean, builder.bitcast(at, _WRITTEN.as_pointer()), align=1)
        return target.get_dummy_value()

    return types.void(upper, lower, means, x), generate
