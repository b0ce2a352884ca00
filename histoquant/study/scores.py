"""The inflammation index of every biopsy with its uncertainty. Exploratory; research use only."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.statistics.estimate import TAIL
from histoquant.study.design import Weights
from histoquant.study.pooling import implied_overdispersion
from histoquant.study.reference import COMPONENTS, Reference, component_values

DRAWS = 2_000
# component: columns of its count, its area and the upper limit of its density
_COUNTED = {
    "cd68": ("cd68_positive", "cd68_tissue_mm2", "cd68_per_mm2_high"),
    "cd20_diffuse": ("cd20_diffuse_positive", "cd20_diffuse_mm2", "cd20_diffuse_per_mm2_high"),
}


def score_table(
    biopsies: pd.DataFrame, reference: Reference | None, weights: Weights, seed: int
) -> pd.DataFrame:
    """Give every score the interval that counting within the sections leaves open.

    Densities are drawn from their gamma distributions, ``(N + 0.5) / phi`` over ``A / phi``; the aggregates'
    area share has no known error and stays. What the reference itself leaves open is not in the interval.

    Parameters
    ----------
    biopsies : DataFrame
        From `histoquant.study.biopsies`.
    reference : Reference or None
        Without one there are no intervals.
    weights : Weights
    seed : int

    Returns
    -------
    DataFrame
        Columns of ``scores.csv``.
    """
    values = component_values(biopsies)
    rows = []
    for at, biopsy in enumerate(biopsies.to_dict("records")):
        tract = None if pd.isna(biopsy["tract"]) else biopsy["tract"]
        low = high = math.nan
        if reference is not None and pd.notna(biopsy["inflammation_score"]):
            key = (biopsy["patient"], tract or "", biopsy["timepoint"])
            low, high = _limits(biopsy, values.iloc[at], reference, weights, _seed(seed, key))
        rows.append(
            {
                "patient": biopsy["patient"],
                "tract": tract,
                "timepoint": biopsy["timepoint"],
                "month": biopsy["month"],
                "score": biopsy["inflammation_score"],
                "score_low": low,
                "score_high": high,
                "grade": biopsy["inflammation_grade"],
                "equal_weights": biopsy["inflammation_score_equal_weights"],
                **{f"without_{name}": biopsy[f"inflammation_score_without_{name}"] for name in COMPONENTS},
                "status": biopsy["score_status"],
            }
        )
    columns = ["patient", "tract", "timepoint", "score_low", "score_high"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def _seed(seed: int, key: tuple[str, ...]) -> int:
    """Give each biopsy its own stream, whatever else is in the table."""
    return int.from_bytes(hashlib.sha256(repr((seed, *key)).encode()).digest()[:8], "big")


def _limits(
    biopsy: dict[Any, Any], values: pd.Series, reference: Reference, weights: Weights, seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    weight = weights.model_dump()
    drawn: NDArray[np.float64] = np.zeros(DRAWS)
    for name in COMPONENTS:
        if weight[name] <= 0:
            continue
        component = np.full(DRAWS, float(values[name]))
        if name in _COUNTED:
            count, area, high = (float(biopsy[column]) for column in _COUNTED[name])
            phi = implied_overdispersion(count, area, high)
            component = np.log(rng.gamma((count + 0.5) / phi, phi / area, DRAWS))
        drawn += weight[name] * reference.positions(name, component)
    low, high = np.quantile(100 * drawn / math.fsum(weight.values()), [TAIL, 1 - TAIL])
    return float(low), float(high)
