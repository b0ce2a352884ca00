"""Change over the patients of a study, per measure and timepoint, with what the number of patients allows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.statistics.estimate import Estimate, few
from histoquant.statistics.paired import (
    benjamini_hochberg,
    hodges_lehmann,
    holm,
    mean_change,
    response_mean,
    sign_flip_p,
    signed_rank,
)
from histoquant.study.change import Row, contrasts
from histoquant.study.measures import FURTHER, LOG, MAIN, UNITS_OF_CHANGE


@dataclass(frozen=True, slots=True)
class Primary:
    """The one comparison named beforehand: a measure, at one later timepoint."""

    measure: str
    timepoint: str | None


def change_table(tracts: pd.DataFrame, patients: pd.DataFrame, primary: Primary, seed: int) -> pd.DataFrame:
    """Summarise change; patients are the unit.

    Parameters
    ----------
    tracts, patients : DataFrame
        From `histoquant.study.change`.
    primary : Primary
    seed : int
        Of the random signs.

    Returns
    -------
    DataFrame
        Columns of ``changes.csv``.
    """
    by_contrast = {(about["measure"], about["timepoint"]): rows for about, rows in contrasts(tracts)}
    table = []
    for about, rows in contrasts(patients):
        pairs = by_contrast[about["measure"], about["timepoint"]]
        beyond = pairs["change"].abs() > pairs["smallest_detectable"]
        known = pairs["smallest_detectable"].notna()
        table.append(
            {
                **about,
                "unit": UNITS_OF_CHANGE[about["unit"]],
                "primary": (about["measure"], about["timepoint"]) == (primary.measure, primary.timepoint),
                "patients": len(rows),
                "tracts": len(pairs),
                **_estimates(
                    rows["change"].to_numpy(float), about["scale"] == LOG, seed, _most_often(tracts, about)
                ),
                "mean_area_weighted": rows["change_area_weighted"].mean() if len(rows) else math.nan,
                "beyond_detectable": int(beyond.sum()) if bool(known.any()) else math.nan,
            }
        )
    if not table:
        return pd.DataFrame()
    return adjusted(pd.DataFrame(table), "wilcoxon_p", "p_holm", "p_bh")


def _most_often(tracts: pd.DataFrame, about: Row) -> str:
    """Return the commonest reason why tracts have no change at this comparison, without its advice."""
    same = (tracts["measure"] == about["measure"]) & (tracts["timepoint"] == about["timepoint"])
    counted = Counter(str(reason).partition(":")[0] for reason in tracts.loc[same, "reason"].dropna())
    return f", most often {counted.most_common(1)[0][0]}" if counted else ""


def _estimates(values: NDArray[np.float64], log: bool, seed: int, why: str) -> dict[str, Any]:
    if values.size == 0:
        nothing = dict.fromkeys(_ESTIMATES, math.nan)
        return {**nothing, "reason": few("patients", 0, 1) + why}
    test = signed_rank(values)
    middle, confidence = hodges_lehmann(values)
    mean, srm = mean_change(values), response_mean(values)
    reasons = dict.fromkeys(found.reason for found in (middle, mean, srm) if found.reason)
    return {
        **cells("hl", middle),
        "hl_confidence_percent": confidence,
        **ratios("hl_ratio", middle, log),
        "wilcoxon_w": test.w,
        "wilcoxon_p": test.p,
        "smallest_p": test.smallest_p,
        **cells("mean", mean),
        "mean_ratio": math.exp(mean.value) if log else math.nan,
        "t_p": mean.p,
        "sign_flip_p": sign_flip_p(values, seed),
        "sd": float(np.std(values, ddof=1)) if values.size > 1 else math.nan,
        **cells("srm", srm),
        "reason": "; ".join(reasons) or None,
    }


_ESTIMATES = (
    *("hl", "hl_low", "hl_high", "hl_confidence_percent", "hl_ratio", "hl_ratio_low", "hl_ratio_high"),
    *("wilcoxon_w", "wilcoxon_p", "smallest_p", "mean", "mean_low", "mean_high", "mean_ratio"),
    *("t_p", "sign_flip_p", "sd", "srm", "srm_low", "srm_high"),
)


def cells(name: str, estimate: Estimate) -> dict[str, float]:
    """Return ``name``, ``name_low`` and ``name_high``."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def ratios(name: str, estimate: Estimate, log: bool) -> dict[str, float]:
    """Return the same as ratios; empty where the scale is not the log."""
    return {key: math.exp(value) if log else math.nan for key, value in cells(name, estimate).items()}


def adjusted(table: pd.DataFrame, p: str, p_holm: str, p_bh: str | None = None) -> pd.DataFrame:
    """Adjust p values within each timepoint: Holm over main measures, Benjamini-Hochberg over further."""
    out = table.assign(**{p_holm: math.nan}, **({p_bh: math.nan} if p_bh else {}))
    for _, group in table.groupby("timepoint", sort=False):
        main, further = group.index[group["role"] == MAIN], group.index[group["role"] == FURTHER]
        out.loc[main, p_holm] = holm(table.loc[main, p].to_numpy(float))
        if p_bh:
            out.loc[further, p_bh] = benjamini_hochberg(table.loc[further, p].to_numpy(float))
    return out
