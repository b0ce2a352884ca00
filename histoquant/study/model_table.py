"""Models that use every biopsy, for the main measures and the index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from histoquant.statistics.gee import count_model
from histoquant.statistics.mixed import mixed_model
from histoquant.statistics.models import Fit
from histoquant.study.change import MEASURE_COLUMNS
from histoquant.study.contrasts import cells, ratios
from histoquant.study.measures import FURTHER, LOG
from histoquant.study.timeline import Visit

_KEPT_DIGITS = 6  # an optimiser stops where it stops; what is beyond differs between machines


def model_table(measures: pd.DataFrame, visits: Sequence[Visit]) -> pd.DataFrame:
    """Fit the mixed model, and for counts the GEE (columns of ``models.csv``)."""
    rows: list[dict[str, Any]] = []
    for _, group in measures[measures["role"] != FURTHER].groupby("measure", sort=False):
        used = group[group["evaluable"]].rename(columns={"analysed": "y", "timepoint": "visit"})
        # the same tract name under another patient is another tract
        used = used.assign(tract=used["patient"] + "/" + used["tract"])
        present = [visit for visit in visits if (used["visit"] == visit.label).any()]
        fits = {"mixed": _mixed(used, present, visits)}
        if group.iloc[0]["scale"] == LOG:
            fits["gee"] = _without_baseline(present, visits) or count_model(used, [v.label for v in present])
        about = {name: group.iloc[0][name] for name in MEASURE_COLUMNS}
        for model, fit in fits.items():
            rows += _rows(about | {"model": model}, fit, present, visits)
    return pd.DataFrame(rows)


def _without_baseline(present: Sequence[Visit], visits: Sequence[Visit]) -> Fit | None:
    if visits[0] in present:
        return None
    return Fit(reason=f"NO_BASELINE (nothing evaluable at {visits[0].label})")


def _mixed(used: pd.DataFrame, present: Sequence[Visit], visits: Sequence[Visit]) -> Fit:
    missing = _without_baseline(present, visits)
    if missing is not None:
        return missing
    if any(math.isnan(visit.month) for visit in visits):
        return Fit(reason="NO_MONTHS (declare [[timepoints]] with months in study.toml)")
    return mixed_model(used, [visit.label for visit in present])


def _rows(
    about: dict[str, Any], fit: Fit, present: Sequence[Visit], visits: Sequence[Visit]
) -> list[dict[str, Any]]:
    found = dict(zip([visit.label for visit in present[1:]], fit.changes, strict=False))
    of = dict(zip([visit.label for visit in present[1:]], fit.degrees, strict=False))
    log = about["scale"] == LOG
    rows = []
    for visit in visits[1:]:
        change = found.get(visit.label)
        degrees = of.get(visit.label, math.nan)
        reason = fit.reason or (change.reason if change else f"NOTHING_EVALUABLE ({visit.label})")
        row: dict[str, Any] = {
            **about,
            "baseline": visits[0].label,
            "timepoint": visit.label,
            "patients": fit.patients,
            "biopsies": fit.biopsies,
            "degrees": _kept(degrees),
            "dispersion": _kept(fit.dispersion),
            "converged": fit.converged,
            "boundary": fit.boundary,
            "warnings": "; ".join(fit.warnings) or None,
            "reason": reason,
            **dict.fromkeys(_ESTIMATES, math.nan),
        }
        if change is not None:
            named = {**cells("estimate", change), "p": change.p, **ratios("ratio", change, log)}
            named["low"], named["high"] = named.pop("estimate_low"), named.pop("estimate_high")
            row |= {name: _kept(value) for name, value in named.items()}
        rows.append(row)
    return rows


_ESTIMATES = ("estimate", "low", "high", "p", "ratio", "ratio_low", "ratio_high")


def _kept(value: float) -> float:
    return float(f"{value:.{_KEPT_DIGITS}g}")
