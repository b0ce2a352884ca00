"""What every estimate consists of: a value, its 95 % interval, a p value, or why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate with its interval.

    Attributes
    ----------
    value, low, high : float
        NaN where it cannot be told.
    p : float
        Two-sided unless said otherwise; NaN where there is none.
    reason : str or None
        ``CODE (detail)`` for what is missing.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    reason: str | None = None


def few(what: str, n: int, needed: int) -> str:
    """Return the reason for too few of something, ``FEW_PATIENTS (3 of at least 6)``."""
    return f"FEW_{what.upper()} ({n} of at least {needed})"
