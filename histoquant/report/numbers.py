"""Numbers as a statistician reads them: few digits, intervals beside estimates, never ``nan``."""

from __future__ import annotations

import math
import re
from typing import Any, Final

DASH: Final = "–"
MINUS: Final = "−"


def as_number(value: Any) -> float | None:
    """Return a finite float, or ``None`` for anything that is not one (empty, NaN, infinity, text, NA)."""
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def as_text(value: Any) -> str:
    """Return text, empty for missing values (``None``, NaN, NA, the words pandas makes of them)."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    text = str(value).strip()
    return "" if text in {"nan", "NaN", "None", "<NA>", "NaT"} else text


def _decimals(value: float, digits: int) -> int:
    if value == 0:
        return 0
    return max(0, min(6, digits - 1 - math.floor(math.log10(abs(value)))))


def number_text(value: Any, digits: int = 3) -> str | None:
    """Return a number with ``digits`` significant digits and thousands separators; ``None`` if not a number.

    >>> number_text(1234.56), number_text(0.04567), number_text(float("nan"))
    ('1,235', '0.0457', None)
    """
    number = as_number(value)
    if number is None:
        return None
    decimals = 0 if number.is_integer() else _decimals(number, digits)
    text = f"{number:,.{decimals}f}"
    return "0" if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def interval_text(value: Any, low: Any, high: Any, unit: str = "") -> str | None:
    """Return ``412 (371–457) /mm²``, without bounds ``412 /mm²``; ``None`` if ``value`` is no number."""
    number, below, above = as_number(value), as_number(low), as_number(high)
    if number is None:
        return None
    suffix = f" {unit}" if unit else ""
    if below is None or above is None:
        return f"{number_text(number)}{suffix}"
    decimals = _decimals(number if number else above, 3)
    shown = [f"{x:,.{decimals}f}" for x in (number, below, above)]
    shown = ["0" if float(s.replace(",", "")) == 0 else s.replace("-", MINUS) for s in shown]
    return f"{shown[0]} ({shown[1]}{DASH}{shown[2]}){suffix}"


def natural_key(text: str) -> tuple[tuple[int, float, str], ...]:
    """Return a sort key in which ``T10`` follows ``T9``."""
    parts = re.split(r"(\d+)", text)
    return tuple((0, float(p), "") if p.isdigit() else (1, 0.0, p.casefold()) for p in parts if p)
