"""Two groups compared: change adjusted for baseline, yes/no events, and shares of clustered rows."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.stats import beta, boschloo_exact
from scipy.stats import t as t_distribution
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from histoquant.statistics.estimate import TAIL, Estimate, few

Floats = NDArray[np.float64]
MIN_GROUP = 3
_ROUNDING = 1e-9
# All share one value: at least this many clusters for a design effect.
_MIN_CLUSTERS = 5


def adjusted_difference(
    after: Floats, before: Floats, in_arm: NDArray[np.bool_], further: Floats | None = None
) -> Estimate:
    """Difference of two arms in ``after``, adjusted for ``before``: ANCOVA with HC3 errors and t.

    Parameters
    ----------
    after, before : ndarray, shape (patients,)
        Levels at the later timepoint and at baseline.
    in_arm : ndarray of bool
        True in the arm, False in the reference arm.
    further : ndarray, shape (patients, columns), optional
        Adjusted for as well.
    """
    smaller = min(int(in_arm.sum()), int((~in_arm).sum()))
    if smaller < MIN_GROUP:
        return Estimate(reason=few("patients", smaller, MIN_GROUP) + " in the smaller arm")
    design = np.column_stack([np.ones(after.size), in_arm.astype(float), before - before.mean()])
    if further is not None:
        if np.linalg.matrix_rank(np.column_stack([design[:, :2], further])) < 2 + further.shape[1]:
            return Estimate(reason="NO_VARIATION (what is adjusted for does not vary apart from the arm)")
        design = np.column_stack([design, further])
    if np.linalg.matrix_rank(design) < design.shape[1] or after.size <= design.shape[1]:
        return Estimate(reason="NO_VARIATION (baseline does not vary apart from the arm)")
    leverage = (np.linalg.qr(design)[0] ** 2).sum(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        fit = sm.OLS(after, design).fit(cov_type="HC3", use_t=True)
    if leverage.max() > 1 - _ROUNDING:
        # HC3 divides this patient's residual by 1 - leverage, nothing by nothing: what comes out is rounding
        return Estimate(float(fit.params[1]), reason="NO_STANDARD_ERROR (one patient alone sets the slope)")
    value, error = float(fit.params[1]), float(fit.bse[1])
    if not (math.isfinite(error) and error > 0):
        return Estimate(value, reason="NO_STANDARD_ERROR")
    low, high = (float(limit) for limit in fit.conf_int()[1])
    return Estimate(value, low, high, float(fit.pvalues[1]))


@dataclass(frozen=True, slots=True)
class Events:
    """Events in two groups: risk difference with Newcombe's interval, Boschloo's exact test."""

    difference: Estimate
    boschloo_p: float


def compare_events(events: int, patients: int, reference_events: int, reference_patients: int) -> Events:
    """Compare two shares.

    Boschloo's test is exact without holding the number of events fixed. Fisher's, which does, rejected in
    1.3 % of trials of 10 against 10 without any difference at nominal 5 %, and is not computed.

    Parameters
    ----------
    events, patients, reference_events, reference_patients : int
    """
    if min(patients, reference_patients) < 1:
        return Events(Estimate(reason=few("patients", 0, 1) + " in the smaller arm"), math.nan)
    table = [[events, patients - events], [reference_events, reference_patients - reference_events]]
    low, high = confint_proportions_2indep(
        events, patients, reference_events, reference_patients, method="newcomb", compare="diff"
    )
    value = events / patients - reference_events / reference_patients
    everyone = events + reference_events in (0, patients + reference_patients)
    boschloo = 1.0 if everyone else float(boschloo_exact(table).pvalue)
    return Events(Estimate(value, float(low), float(high)), min(1.0, boschloo))


def exact_share(successes: int, total: int) -> Estimate:
    """Share with its Clopper-Pearson interval."""
    if total < 1:
        return Estimate(reason=few("patients", 0, 1))
    low, high = proportion_confint(successes, total, alpha=2 * TAIL, method="beta")
    return Estimate(successes / total, float(low), float(high))


def clustered_share(success: NDArray[np.bool_], clusters: NDArray[np.int64]) -> Estimate:
    """Share of rows that lie in clusters, with the Korn-Graubard interval.

    Clopper-Pearson at the effective number of rows, ``n / design effect``, the design effect being that of
    the ratio estimator over clusters, corrected for its degrees of freedom (Korn and Graubard, Surv Methodol
    1998;24:193). It keeps a width where all rows agree.

    Parameters
    ----------
    success : ndarray of bool, shape (n,)
    clusters : ndarray of int, shape (n,)
        Patient of each row.
    """
    n, names = success.size, np.unique(clusters)
    if names.size < _MIN_CLUSTERS:
        value = float(success.mean()) if n else math.nan
        return Estimate(value, reason=few("patients", names.size, _MIN_CLUSTERS))
    share = float(success.mean())
    place = np.searchsorted(names, clusters)
    residual = np.bincount(place, weights=success - share)
    variance = names.size / (names.size - 1) * float((residual**2).sum()) / n**2
    effective = share * (1 - share) / variance if variance > 0 else float(names.size)
    correction = (t_distribution.ppf(TAIL, n - 1) / t_distribution.ppf(TAIL, names.size - 1)) ** 2
    effective = min(float(n), effective * float(correction))
    hits = share * effective
    low = 0.0 if share == 0 else float(beta.ppf(TAIL, hits, effective - hits + 1))
    high = 1.0 if share == 1 else float(beta.ppf(1 - TAIL, hits + 1, effective - hits))
    return Estimate(share, low, high)
