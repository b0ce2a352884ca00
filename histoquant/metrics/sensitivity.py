"""How much a count hangs on its threshold."""

from __future__ import annotations

import math

from histoquant.metrics.measured import Measured

LOW, HIGH = 0.8, 1.2
"""Multiples of the threshold at which objects are counted again."""
SENSITIVE = 1.0
"""A steeper dependence than proportional is flagged THRESHOLD_SENSITIVE."""


def elasticity(count_low: float | None, count_high: float | None) -> Measured:
    """``[ln D(1.2 T) - ln D(0.8 T)] / ln 1.5`` with half a count added to each (formula F17).

    Parameters
    ----------
    count_low, count_high : float or None
        Objects at 0.8 and at 1.2 of the threshold; the area cancels.

    Returns
    -------
    Measured
        Per cent change of the density per per cent change of the threshold; usually negative.
    """
    if count_low is None or count_high is None:
        return Measured.missing("NO_THRESHOLD_COUNTS")
    return Measured(math.log((count_high + 0.5) / (count_low + 0.5)) / math.log(HIGH / LOW))
