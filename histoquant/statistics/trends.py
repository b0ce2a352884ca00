"""Several timepoints of the same patients: any difference (Friedman), a fall or a rise (Page)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, page_trend_test

from histoquant.statistics.estimate import few

_MIN_ROWS = 3
# scipy counts the exact distribution; beyond this it takes long and the normal approximation is close
_EXACT_ROWS, _EXACT_COLUMNS = 20, 3


@dataclass(frozen=True, slots=True)
class Trend:
    """Friedman's and Page's tests over complete rows.

    Attributes
    ----------
    chi2, p : float
        Friedman's statistic and chi-square p.
    fall_l, fall_p, rise_p : float
        Page's L for a fall, its one-sided p, and that of a rise.
    reason : str or None
    """

    chi2: float = math.nan
    p: float = math.nan
    fall_l: float = math.nan
    fall_p: float = math.nan
    rise_p: float = math.nan
    reason: str | None = None


def trend(rows: NDArray[np.float64]) -> Trend:
    """Test complete blocks.

    Parameters
    ----------
    rows : ndarray, shape (patients, timepoints)
        Finite, timepoints in order.
    """
    n, k = rows.shape
    if k < 3:
        return Trend(reason=few("timepoints", k, 3))
    if n < _MIN_ROWS:
        return Trend(reason=few("patients", n, _MIN_ROWS))
    if bool(np.all(np.ptp(rows, axis=1) == 0)):
        return Trend(reason="NO_VARIATION (no patient changes)")
    friedman = friedmanchisquare(*rows.T)
    method = "exact" if n <= _EXACT_ROWS and k <= _EXACT_COLUMNS else "asymptotic"
    fall = page_trend_test(-rows, method=method)
    rise = page_trend_test(rows, method=method)
    return Trend(
        float(friedman.statistic),
        float(friedman.pvalue),
        float(fall.statistic),
        float(fall.pvalue),
        float(rise.pvalue),
    )
