"""Warnings about a slide's numbers: too little tissue, implausible, hanging on the threshold."""

from __future__ import annotations

from histoquant.metrics.density import MIN_AREA_MM2
from histoquant.metrics.sensitivity import SENSITIVE

PLAUSIBLE_PER_MM2 = {"CD68": 3000.0, "CD20": 8000.0, "CD31": 800.0}
"""Densities above these warn, never exclude: a design decision, no published norm exists."""
PLAUSIBLE_AREA_PERCENT = 60.0
"""More stained tissue than this is background or a wrong threshold."""
MODES_RATIO = (0.5, 2.0)
"""Cells by area over cells by nuclei outside this range: clumps, or fragments without nuclei."""


def tissue_flags(area_mm2: float) -> list[str]:
    """``NO_TISSUE`` or ``INSUFFICIENT_TISSUE`` (below 0.25 mm2)."""
    if area_mm2 == 0:
        return ["NO_TISSUE"]
    return ["INSUFFICIENT_TISSUE"] if area_mm2 < MIN_AREA_MM2 else []


def plausibility_flags(marker: str, per_mm2: float | None, area_percent: float | None) -> list[str]:
    """``IMPLAUSIBLE_DENSITY`` and ``IMPLAUSIBLE_AREA`` for values outside the warning bounds."""
    flags = []
    bound = PLAUSIBLE_PER_MM2.get(marker)
    if per_mm2 is not None and bound is not None and per_mm2 > bound:
        flags.append("IMPLAUSIBLE_DENSITY")
    if area_percent is not None and area_percent >= PLAUSIBLE_AREA_PERCENT:
        flags.append("IMPLAUSIBLE_AREA")
    return flags


def threshold_flags(elasticity: float | None) -> list[str]:
    """``THRESHOLD_SENSITIVE`` where the density changes faster than the threshold."""
    return ["THRESHOLD_SENSITIVE"] if elasticity is not None and abs(elasticity) > SENSITIVE else []


def count_mode_flags(by_nuclei: float | None, by_area: float | None) -> list[str]:
    """``COUNT_MODES_DISAGREE`` where cells by area and by nuclei differ more than twofold."""
    if by_nuclei is None or by_area is None:
        return []
    low, high = MODES_RATIO
    agree = low * by_nuclei <= by_area <= high * by_nuclei
    return [] if agree else ["COUNT_MODES_DISAGREE"]
