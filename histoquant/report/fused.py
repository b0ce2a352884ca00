"""A product and a sum, rounded once, as OpenCV adds in single precision: compiled."""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic


@intrinsic
def fused(context: Any, factor: Any, other: Any, more: Any) -> Any:
    """``factor * other + more`` of three numbers of single precision, one instruction of most processors."""

    def generate(target: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.fma(*given)

    number = types.float32
    return number(number, number, number), generate
