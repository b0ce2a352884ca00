"""What patients' levels look like at each timepoint, and whether they move over all timepoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from histoquant.statistics.estimate import TAIL, few
from histoquant.statistics.trends import skillings_mack, trend
from histoquant.study.change import MEASURE_COLUMNS
from histoquant.study.measures import LOG
from histoquant.study.timeline import Visit

_MIN_FOR_INTERVAL = 6


def level_table(measures: pd.DataFrame, visits: Sequence[Visit]) -> pd.DataFrame:
    """Median, its exact interval and quartiles of patients' levels (columns of ``timepoints.csv``)."""
    rows = []
    for _, group in measures.groupby("measure", sort=False):
        for visit in visits:
            at = group[(group["timepoint"] == visit.label) & group["evaluable"]]
            levels = at.groupby("patient", sort=False)["analysed"].mean().to_numpy(float)
            row: dict[str, Any] = {name: group.iloc[0][name] for name in MEASURE_COLUMNS}
            row |= {
                "timepoint": visit.label,
                "month": visit.month,
                "patients": levels.size,
                "tracts": len(at),
            }
            rows.append(row | summary_of_levels(levels, row["scale"] == LOG))
    return pd.DataFrame(rows)


def summary_of_levels(levels: NDArray[np.float64], log: bool) -> dict[str, Any]:
    """Median with its exact interval, quartiles, and why a cell is empty; as densities from logs."""
    names = ("median", "median_low", "median_high", "quartile_low", "quartile_high")
    if levels.size == 0:
        empty = dict.fromkeys((*names, "median_confidence_percent"), math.nan)
        return {**empty, "reason": few("patients", 0, 1)}
    ordered = np.sort(levels)
    low = high = confidence = math.nan
    if levels.size >= _MIN_FOR_INTERVAL:
        # from the k-th smallest to the k-th largest: misses when fewer than k lie on one side of the median
        k = int(binom.ppf(TAIL, levels.size, 0.5))
        low, high = float(ordered[k - 1]), float(ordered[-k])
        confidence = 100 * (1 - 2 * float(binom.cdf(k - 1, levels.size, 0.5)))
    quartiles = np.quantile(ordered, [0.25, 0.75]).tolist()
    values = dict(zip(names, (float(np.median(ordered)), low, high, *quartiles), strict=True))
    if log:
        values = {name: math.exp(value) for name, value in values.items()}
    short = levels.size < _MIN_FOR_INTERVAL
    reason = few("patients", levels.size, _MIN_FOR_INTERVAL) if short else None
    return {**values, "median_confidence_percent": confidence, "reason": reason}


def trend_table(measures: pd.DataFrame, visits: Sequence[Visit]) -> pd.DataFrame:
    """Friedman and Page over patients with all timepoints, Skillings-Mack over those with two or more.

    Columns of ``trends.csv``.
    """
    rows = []
    for _, group in measures.groupby("measure", sort=False):
        complete = complete_tracts(group, visits)
        levels = complete.groupby(level="patient", sort=False).mean()
        found = trend(levels.to_numpy(float).reshape(-1, len(visits)))
        gaps = skillings_mack(widest_levels(group, visits))
        reasons = dict.fromkeys(reason for reason in (found.reason, gaps.reason) if reason)
        rows.append(
            {
                **{name: group.iloc[0][name] for name in MEASURE_COLUMNS},
                "timepoints": ";".join(visit.label for visit in visits),
                "patients": len(levels),
                "tracts": len(complete),
                "friedman_chi2": found.chi2,
                "friedman_p": found.p,
                "page_l": found.fall_l,
                "page_p": found.fall_p,
                "page_rise_p": found.rise_p,
                "skillings_mack": gaps.statistic,
                "skillings_mack_p": gaps.p,
                "skillings_mack_patients": gaps.rows,
                "reason": "; ".join(reasons) or None,
            }
        )
    return pd.DataFrame(rows)


def widest_levels(measure: pd.DataFrame, visits: Sequence[Visit]) -> NDArray[np.float64]:
    """Patients' levels with gaps, as (patient) x timepoint: the same tracts at each timepoint of a patient.

    Of each patient the timepoints are taken that most can be had together in one tract, and the mean over all
    tracts that have them; of equally many, those with more tracts.
    """
    labels = [visit.label for visit in visits]
    wide = measure.pivot(index=["patient", "tract"], columns="timepoint", values="analysed")
    rows = []
    for _, tracts in wide.reindex(columns=labels).groupby(level="patient", sort=False):
        values = tracts.to_numpy(float)
        known = np.isfinite(values)
        choices = [(known & pattern == pattern).all(axis=1) for pattern in known]
        best = max(zip(known, choices, strict=True), key=lambda pair: (pair[0].sum(), pair[1].sum()))
        rows.append(np.where(best[0], values[best[1]].mean(axis=0), np.nan))
    return np.array(rows, np.float64).reshape(-1, len(labels))


def complete_tracts(measure: pd.DataFrame, visits: Sequence[Visit]) -> pd.DataFrame:
    """Analysed values of one measure as (patient, tract) x timepoint, tracts with every timepoint only."""
    wide = measure.pivot(index=["patient", "tract"], columns="timepoint", values="analysed")
    return wide.reindex(columns=[visit.label for visit in visits]).dropna()
