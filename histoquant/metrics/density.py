"""Densities per mm2 with their intervals, on the natural and on the log scale, and per HPF."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from histoquant.errors import UsageError
from histoquant.metrics.measured import Interval, Measured

MIN_AREA_MM2 = 0.25
"""Less tissue than one 40x high-power field (0.24 mm2) is reported but kept out of inference."""
TAIL = 0.025
"""Two-sided 95 % intervals."""


def check_area(area_mm2: float) -> None:
    """Refuse an area that no micrometres-per-pixel can give."""
    if not (math.isfinite(area_mm2) and area_mm2 >= 0):
        raise UsageError(f"tissue area must be a number of mm2, 0 or more, not {area_mm2}.")


def density(count: float, area_mm2: float) -> Measured:
    """Objects per mm2 (formula F1).

    Parameters
    ----------
    count : float
        Objects counted in the area.
    area_mm2 : float
        Quantifiable tissue.

    Returns
    -------
    Measured
        1/mm2; ``NO_TISSUE`` without tissue; a value with ``INSUFFICIENT_TISSUE`` below 0.25 mm2.
    """
    check_area(area_mm2)
    if area_mm2 == 0:
        return Measured.missing("NO_TISSUE")
    return Measured(count / area_mm2, "INSUFFICIENT_TISSUE" if area_mm2 < MIN_AREA_MM2 else None)


def pooled_density(counts: Sequence[float], areas_mm2: Sequence[float]) -> Measured:
    """Density over sections: sum of counts over sum of areas, never a mean of densities (F1)."""
    if len(counts) != len(areas_mm2):
        raise UsageError(f"{len(counts)} counts for {len(areas_mm2)} areas.")
    return density(math.fsum(counts), math.fsum(areas_mm2))


def poisson_interval(count: float, area_mm2: float, phi: float = 1.0) -> Interval:
    """Exact 95 % Poisson interval of a density; wider where counts are overdispersed (F2).

    Parameters
    ----------
    count : float
        Objects counted.
    area_mm2 : float
        Quantifiable tissue.
    phi : float
        Variance over mean of block counts, at least 1; count and area are divided by it, which
        leaves the density and widens the interval.

    Returns
    -------
    Interval
        1/mm2.
    """
    check_area(area_mm2)
    if area_mm2 == 0:
        return Interval(None, None, "NO_TISSUE")
    n, area = count / phi, area_mm2 / phi
    low = 0.0 if n == 0 else float(gammaincinv(n, TAIL)) / area
    return Interval(low, float(gammaincinv(n + 1, 1 - TAIL)) / area)


def overdispersion(counts: NDArray[np.integer], areas_mm2: NDArray[np.float64]) -> Measured:
    """How much more block counts scatter than Poisson counts would; at least 1 (F2).

    ``phi = max(1, 1/(K - 1) sum_k (N_k - D A_k)^2 / (D A_k))`` over blocks with tissue.

    Parameters
    ----------
    counts, areas_mm2 : ndarray, shape (K,)
        Objects and tissue of each block.

    Returns
    -------
    Measured
        ``FEW_BLOCKS`` below two blocks; 1 where nothing was counted.
    """
    used = np.asarray(areas_mm2) > 0
    n, area = np.asarray(counts)[used], np.asarray(areas_mm2)[used]
    if len(n) < 2:
        return Measured.missing("FEW_BLOCKS")
    total = int(n.sum())
    if total == 0:
        return Measured(1.0)
    expected = total / math.fsum(area) * area
    return Measured(max(1.0, math.fsum((n - expected) ** 2 / expected) / (len(n) - 1)))


def log_density(count: float, area_mm2: float) -> Measured:
    """``ln((N + 0.5) / A)``: the scale changes are measured on; defined for a zero count (F3)."""
    check_area(area_mm2)
    if area_mm2 == 0:
        return Measured.missing("NO_TISSUE")
    reason = "INSUFFICIENT_TISSUE" if area_mm2 < MIN_AREA_MM2 else None
    return Measured(math.log((count + 0.5) / area_mm2), reason)


def log_density_change(baseline: tuple[float, float], visit: tuple[float, float]) -> Measured:
    """Change of log density from baseline; ``exp`` of it is the density ratio (F3).

    Parameters
    ----------
    baseline, visit : tuple of float
        Count and area in mm2, of the same tract, marker and clone (the caller pairs them).

    Returns
    -------
    Measured
        ``VISIT_NOT_EVALUABLE`` where either visit has less than 0.25 mm2.
    """
    before, after = log_density(*baseline), log_density(*visit)
    if before.reason or after.reason or before.value is None or after.value is None:
        return Measured.missing("VISIT_NOT_EVALUABLE")
    return Measured(after.value - before.value)


def hpf_area_mm2(field_number_mm: float, objective: float = 40.0, tube: float = 1.0) -> float:
    """Area of a high-power field, ``pi (FN / (2 M_objective M_tube))^2``, in mm2.

    FN 22 at 40x gives 0.2376 mm2; published fields span 0.096 - 0.31 mm2, so there is no default.
    """
    if min(field_number_mm, objective, tube) <= 0:
        raise UsageError("field number and magnifications of a high-power field must be above 0.")
    return math.pi * (field_number_mm / (2 * objective * tube)) ** 2


def per_hpf(density_per_mm2: float, hpf_mm2: float) -> dict[str, float]:
    """Density per high-power field, never without the area of that field."""
    if not hpf_mm2 > 0:
        raise UsageError("a count per high-power field needs the field's area in mm2 (hpf_area_mm2).")
    return {"per_hpf": density_per_mm2 * hpf_mm2, "hpf_area_mm2": hpf_mm2}
