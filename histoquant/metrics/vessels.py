"""Vessel metrics of a section from its vessel table (formula F6)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.metrics.density import density
from histoquant.metrics.measured import Measured

CAPILLARY_UM = 10.0
"""Vessels with a smaller equivalent diameter are capillaries."""


def true_vessels(vessels: pd.DataFrame) -> pd.DataFrame:
    """Rows that are vessels, not single cells that carry the stain."""
    return vessels[vessels["vessel"].to_numpy(bool)]


def vessel_metrics(vessels: pd.DataFrame, area_mm2: float) -> dict[str, Measured]:
    """Number, area and calibre of the vessels of a section.

    The number of profiles on a section is not the number of vessels in the tissue: one vessel may be
    cut twice, and long ones are cut more often.

    Parameters
    ----------
    vessels : pandas.DataFrame
        Columns ``vessel`` (bool), ``endothelial_area_um2``, ``lumen_area_um2``,
        ``equivalent_diameter_um``.
    area_mm2 : float
        Quantifiable tissue.

    Returns
    -------
    dict of Measured
        ``vessels``, ``vessels_per_mm2``, ``endothelial_area_percent``, ``lumen_area_percent``,
        ``median_diameter_um``, ``diameter_p10_um``, ``diameter_p90_um``, ``capillary_percent``.
    """
    true = true_vessels(vessels)
    number = len(true)
    per_mm2 = density(number, area_mm2)
    if area_mm2 == 0:
        empty = Measured.missing("NO_TISSUE")
        endothelial = lumen = empty
    else:
        endothelial, lumen = (
            Measured(100 * math.fsum(true[column]) * 1e-6 / area_mm2)
            for column in ("endothelial_area_um2", "lumen_area_um2")
        )
    return {
        "vessels": Measured(number) if area_mm2 else Measured.missing("NO_TISSUE"),
        "vessels_per_mm2": per_mm2,
        "endothelial_area_percent": endothelial,
        "lumen_area_percent": lumen,
        **_calibre(true["equivalent_diameter_um"].to_numpy(np.float64)),
    }


def _calibre(diameter_um: NDArray[np.float64]) -> dict[str, Measured]:
    """Distribution of the equivalent diameters, ``2 sqrt(a / pi)`` of the outer area (F6)."""
    names = ("median_diameter_um", "diameter_p10_um", "diameter_p90_um", "capillary_percent")
    if not len(diameter_um):
        return dict.fromkeys(names, Measured.missing("NO_VESSELS"))
    quantiles = np.quantile(diameter_um, (0.5, 0.1, 0.9))
    small = 100 * int(np.count_nonzero(diameter_um < CAPILLARY_UM)) / len(diameter_um)
    return dict(zip(names, (Measured(float(v)) for v in (*quantiles, small)), strict=True))


def roundness(area: float, perimeter: float) -> Measured:
    """``4 pi a / P^2``; 1 for a circle; ``NO_PERIMETER`` for P = 0 (F6)."""
    if perimeter == 0:
        return Measured.missing("NO_PERIMETER")
    return Measured(4 * math.pi * area / perimeter**2)
