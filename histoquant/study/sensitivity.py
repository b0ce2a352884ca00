"""What the mean change would be had the missing follow-up biopsies turned out this way or that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from histoquant.statistics.estimate import TAIL, Estimate
from histoquant.statistics.paired import mean_change
from histoquant.study.change import contrasts
from histoquant.study.measures import FURTHER
from histoquant.study.timeline import Visit

Row = dict[str, Any]
Floats = NDArray[np.float64]
IMPUTATIONS = 50
DELTAS_SD = (0.0, 0.25, 0.5, 1.0)
_CLOSED = "VISIT NO_BIOPSY (closed_no_tissue)"
_MAX_TIPPING_SD = 20.0
_ALPHA = 0.05
_MIN_OBSERVED = 3
_NOTHING_OBSERVED = "NOTHING_OBSERVED (3 patients that differ are needed)"


def missing_table(
    changes: pd.DataFrame, visits: Sequence[Visit], enrolled: Sequence[str], seed: int
) -> pd.DataFrame:
    """Estimate the mean change under assumptions about what is missing (columns of ``missing.csv``).

    Parameters
    ----------
    changes : DataFrame
        From `histoquant.study.change.tract_changes`.
    visits : sequence of Visit
    enrolled : sequence of str
        All patients of the patients table; empty without one.
    seed : int
        Of the imputations.

    Notes
    -----
    ``closed_best`` and ``closed_worst`` give tracts that were closed and left no tissue the greatest fall and
    the greatest rise that any tract showed. ``delta`` imputes each patient without a follow-up 50 times from
    the patients observed, shifted towards a rise by 0, 0.25, 0.5 and 1 standard deviation, and pools by
    Rubin's rules. ``tipping`` is the least shift at which p reaches 0.05. ``enrolled`` does as ``delta`` for
    everybody enrolled, also those without a baseline. Nothing is carried forward or set to zero.
    """
    later = [visit.label for visit in visits[1:]]
    rows: list[Row] = []
    for about, _ in contrasts(changes[changes["role"] != FURTHER]):
        of_measure = changes[changes["measure"] == about["measure"]]
        tracts = of_measure[of_measure["timepoint"] == about["timepoint"]]
        rows += [{**about, **row} for row in _scenarios(tracts, of_measure, later, seed)]
        rows += [{**about, **row} for row in _everybody(tracts, enrolled, seed)]
    return pd.DataFrame(rows)


def _scenarios(
    tracts: pd.DataFrame, of_measure: pd.DataFrame, later: Sequence[str], seed: int
) -> Iterator[Row]:
    observed = _patient_means(tracts)
    yield _row("observed", mean_or_reason(observed), observed.size)
    everywhere = of_measure[of_measure["timepoint"].isin(later) & of_measure["change"].notna()]
    counts = everywhere.groupby(["patient", "tract"])["timepoint"].nunique()
    complete = set(counts.index[counts == len(later)])
    mask = [key in complete for key in zip(tracts["patient"], tracts["tract"], strict=True)]
    kept = _patient_means(tracts[mask])
    yield _row("complete", mean_or_reason(kept), kept.size)
    known = tracts["change"].dropna()
    closed = tracts["reason"] == _CLOSED
    for name, value in (("closed_best", known.min()), ("closed_worst", known.max())):
        if not bool(closed.any()) or known.empty:
            reason = "NOTHING_MISSING (no closed tract without tissue)" if len(known) else "NOTHING_OBSERVED"
            yield _row(name, Estimate(reason=reason), observed.size)
            continue
        filled = _patient_means(tracts.assign(change=tracts["change"].where(~closed, float(value))))
        yield _row(name, mean_or_reason(filled), filled.size, filled=int(closed.sum()))
    yield from _shifted(tracts, observed, seed)


def _shifted(tracts: pd.DataFrame, observed: Floats, seed: int) -> Iterator[Row]:
    """Impute patients that have a baseline and no follow-up."""
    wanting = tracts["reason"].fillna("").str.startswith("VISIT")
    seen = set(tracts.loc[tracts["change"].notna(), "patient"])
    missing = len(set(tracts.loc[wanting, "patient"]) - seen)
    hindrance = None
    if observed.size < _MIN_OBSERVED or np.ptp(observed) == 0:
        hindrance = _NOTHING_OBSERVED
    elif missing == 0:
        hindrance = "NOTHING_MISSING (no patient with a baseline lacks this follow-up)"
    if hindrance is not None:
        yield _row("delta", Estimate(reason=hindrance), observed.size)
        yield _row("tipping", Estimate(reason=hindrance), observed.size)
        return
    sd, patients = float(np.std(observed, ddof=1)), observed.size + missing
    for share in DELTAS_SD:
        found = imputed(observed, missing, share * sd, seed)
        yield _row("delta", found, patients, share * sd, missing)
    yield _tipping(observed, missing, sd, seed)


def _everybody(tracts: pd.DataFrame, enrolled: Sequence[str], seed: int) -> Iterator[Row]:
    """Impute every enrolled patient without a change, whatever the reason."""
    observed = _patient_means(tracts)
    seen = set(tracts.loc[tracts["change"].notna(), "patient"])
    missing = len(set(enrolled) - seen)
    reason = None
    if not enrolled:
        reason = "NO_PATIENTS_TABLE (name one in study.toml: [tables] patients)"
    elif observed.size < _MIN_OBSERVED or np.ptp(observed) == 0:
        reason = _NOTHING_OBSERVED
    elif missing == 0:
        reason = "NOTHING_MISSING (every enrolled patient has this change)"
    if reason is not None:
        yield _row("enrolled", Estimate(reason=reason), observed.size)
        return
    sd = float(np.std(observed, ddof=1))
    for share in DELTAS_SD:
        found = imputed(observed, missing, share * sd, seed)
        yield _row("enrolled", found, observed.size + missing, share * sd, missing)


def _tipping(observed: Floats, missing: int, sd: float, seed: int) -> Row:
    patients = observed.size + missing
    towards = 1.0 if observed.mean() < 0 else -1.0
    if not imputed(observed, missing, 0.0, seed).p < _ALPHA:
        return _row("tipping", Estimate(reason="NOT_SIGNIFICANT (nothing to tip)"), patients)
    low, high = 0.0, _MAX_TIPPING_SD * sd
    if imputed(observed, missing, towards * high, seed).p < _ALPHA:
        reason = f"NO_TIPPING_POINT (below {_MAX_TIPPING_SD:g} standard deviations)"
        return _row("tipping", Estimate(reason=reason), patients, filled=missing)
    while high - low > 1e-3 * sd:
        middle = (low + high) / 2
        if imputed(observed, missing, towards * middle, seed).p < _ALPHA:
            low = middle
        else:
            high = middle
    return _row(
        "tipping", imputed(observed, missing, towards * high, seed), patients, towards * high, missing
    )


def imputed(observed: Floats, missing: int, delta: float, seed: int) -> Estimate:
    """Pool 50 imputations; each draws mean and spread first, so that they are no better known than so."""
    rng = np.random.default_rng(seed)
    n, mean, sd = observed.size, float(observed.mean()), float(np.std(observed, ddof=1))
    means, variances = [], []
    for _ in range(IMPUTATIONS):
        spread = sd * math.sqrt((n - 1) / rng.chisquare(n - 1))
        centre = rng.normal(mean, spread / math.sqrt(n))
        whole = np.concatenate([observed, rng.normal(centre, spread, missing) + delta])
        means.append(whole.mean())
        variances.append(whole.var(ddof=1) / whole.size)
    within, between = float(np.mean(variances)), float(np.var(means, ddof=1))
    total = within + (1 + 1 / IMPUTATIONS) * between
    return _pooled(float(np.mean(means)), within, total, n + missing)


def _pooled(value: float, within: float, total: float, patients: int) -> Estimate:
    """Rubin's rules with Barnard and Rubin's degrees of freedom (Biometrika 1999;86:948)."""
    share = max(1 - within / total, 1e-12)
    complete = patients - 1
    observed_df = (complete + 1) / (complete + 3) * complete * (1 - share)
    degrees = 1 / (share**2 / (IMPUTATIONS - 1) + 1 / observed_df)
    error = math.sqrt(total)
    half = float(t_distribution.ppf(1 - TAIL, degrees)) * error
    p = 2 * float(t_distribution.sf(abs(value) / error, degrees))
    return Estimate(value, value - half, value + half, p)


def _patient_means(tracts: pd.DataFrame) -> Floats:
    return tracts.dropna(subset="change").groupby("patient", sort=False)["change"].mean().to_numpy(float)


def mean_or_reason(values: Floats) -> Estimate:
    """Return the mean with its t interval, or why there is none."""
    return mean_change(values) if values.size else Estimate(reason="NOTHING_OBSERVED")


def _row(scenario: str, found: Estimate, patients: int, delta: float = math.nan, filled: int = 0) -> Row:
    return {
        "scenario": scenario,
        "delta": delta,
        "patients": patients,
        "filled": filled,
        "mean": found.value,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "reason": found.reason,
    }
