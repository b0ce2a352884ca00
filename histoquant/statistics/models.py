"""What models of all biopsies have in common: what a fit says, when there is none, t intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from histoquant.statistics.estimate import TAIL, Estimate, few

MIN_PATIENTS = 5
_MAX_WARNINGS = 4


@dataclass(frozen=True, slots=True)
class Fit:
    """One fitted model.

    Attributes
    ----------
    changes : tuple of Estimate
        Change from the first timepoint, one per later timepoint.
    degrees : tuple of float
        Degrees of freedom of each change.
    patients, biopsies : int
        Clusters and rows.
    dispersion : float
        GEE: alpha of ``mu + alpha mu^2``; NaN for the mixed model.
    converged, boundary : bool or None
        Whether the search ended; whether a variance component is at or below zero. None without a fit.
    warnings : tuple of str
    reason : str or None
        Why there is no fit.
    """

    changes: tuple[Estimate, ...] = ()
    degrees: tuple[float, ...] = ()
    patients: int = 0
    biopsies: int = 0
    dispersion: float = math.nan
    converged: bool | None = None
    boundary: bool | None = None
    warnings: tuple[str, ...] = field(default=())
    reason: str | None = None


def hindrance(table: pd.DataFrame, visits: Sequence[str]) -> str | None:
    """Return why a table with columns patient and y cannot be modelled, or None."""
    patients = table["patient"].nunique()
    if len(visits) < 2:
        return few("timepoints", len(visits), 2)
    if patients < MIN_PATIENTS:
        return few("patients", patients, MIN_PATIENTS)
    if np.ptp(table["y"].to_numpy(float)) == 0:
        return "NO_VARIATION (all values are equal)"
    return None


def design_of(table: pd.DataFrame, visits: Sequence[str]) -> NDArray[np.float64]:
    """Return the columns of a model ``~ visit``: one, and one for each later timepoint."""
    later = [(table["visit"] == visit).to_numpy(float) for visit in visits[1:]]
    return np.column_stack([np.ones(len(table)), *later])


def t_estimate(value: float, error: float, degrees: float) -> Estimate:
    """Interval and p of an estimate with its standard error; a reason where that is not finite."""
    if not (math.isfinite(error) and error > 0 and degrees > 0):
        return Estimate(value, reason="NO_STANDARD_ERROR")
    reach = float(t_distribution.ppf(1 - TAIL, degrees)) * error
    p = 2 * float(t_distribution.sf(abs(value) / error, degrees))
    return Estimate(value, value - reach, value + reach, p)


def texts(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return each warning once, in order, as one line."""
    lines = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    return tuple(lines)[:_MAX_WARNINGS]
