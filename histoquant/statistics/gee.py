"""Generalised estimating equations by patient, with what few clusters need: counts, and odds of closure."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray

from histoquant.statistics.estimate import Estimate, few
from histoquant.statistics.models import MIN_PATIENTS, Fit, design_of, hindrance, t_estimate, texts

Floats = NDArray[np.float64]
_SEPARATED = 8.0  # log odds per standard deviation: nobody measures such a slope
_FEWEST_DEGREES = 2.0
_MOST_SHARE = 0.75  # as Fay and Graubard bound it


def count_model(table: pd.DataFrame, visits: Sequence[str]) -> Fit:
    """Fit negative binomial counts by GEE, exchangeable within patients, with ``ln A`` as offset.

    GEE does not estimate the dispersion, so it comes by moments from a Poisson fit. Clusters are few: the
    covariance is bias-reduced (Mancl and DeRouen) and multiplied by K / (K - 1) for K patients, because 6000
    trials of 20 without that were rejected in 5.5 % on average; t has the degrees of freedom of `degrees_of`.
    Its ratio is one of means; where patients' changes spread, few patients make it, and degrees of freedom
    fall.

    Parameters
    ----------
    table : DataFrame
        Columns count, area_mm2, patient, tract, visit; complete rows.
    visits : sequence of str
        In order, the first is the baseline.
    """
    patients, rows = table["patient"].nunique(), len(table)
    reason = hindrance(table.assign(y=table["count"]), visits)
    if reason is None and bool((table.groupby("visit")["count"].sum() == 0).any()):
        reason = "ALL_ZERO (a timepoint without a single count has no ratio)"
    if reason is not None:
        return Fit(patients=patients, biopsies=rows, reason=reason)
    ordered = table.sort_values(["patient", "tract", "visit"], kind="stable")
    design = design_of(ordered, visits)
    counts, offset = ordered["count"].to_numpy(float), np.log(ordered["area_mm2"].to_numpy(float))
    groups = ordered["patient"].to_numpy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            alpha = _dispersion(counts, design, offset)
            family = sm.families.NegativeBinomial(alpha=alpha) if alpha > 0 else sm.families.Poisson()
            model = sm.GEE(
                counts,
                design,
                groups=groups,
                family=family,
                offset=offset,
                cov_struct=sm.cov_struct.Exchangeable(),
            )
            result = model.fit(cov_type="bias_reduced", maxiter=100)
            added = influences(result)
        except (ValueError, np.linalg.LinAlgError, FloatingPointError) as error:
            return Fit(patients=patients, biopsies=rows, reason=f"NO_FIT ({error})")
    if not np.isfinite(result.bse).all():
        return Fit(patients=patients, biopsies=rows, reason="NO_FIT (no finite standard error)")
    degrees = tuple(degrees_of(column) for column in added.T[1:])
    wider = math.sqrt(patients / (patients - 1))
    changes = tuple(
        t_estimate(float(value), float(error) * wider, of)
        for value, error, of in zip(result.params[1:], result.bse[1:], degrees, strict=True)
    )
    return Fit(
        changes,
        degrees,
        patients,
        rows,
        alpha,
        converged=bool(result.converged),
        boundary=alpha == 0,
        warnings=texts(caught),
    )


def _dispersion(counts: Floats, design: Floats, offset: Floats) -> float:
    """Moments: ``sum((N - mu)^2 - mu) / sum(mu^2)``, with the parameters' degrees of freedom; at least 0."""
    mu = sm.GLM(counts, design, family=sm.families.Poisson(), offset=offset).fit().fittedvalues
    used = counts.size / (counts.size - design.shape[1])
    return max(0.0, float((used * (counts - mu) ** 2 - mu).sum() / (mu**2).sum()))


def influences(result: Any, gently: bool = False) -> Floats:
    """Return what each cluster adds to the estimates, residuals divided by 1 - leverage (Mancl and DeRouen).

    Parameters
    ----------
    result : GEEResults
        Of statsmodels, exchangeable.
    gently : bool
        Divide what a cluster adds by the root of 1 - its share of each effect's information instead (Fay and
        Graubard, Biometrics 2001;57:1198): of yes and no, Mancl and DeRouen's correction does too much.

    Returns
    -------
    ndarray, shape (clusters, effects)
        Sums of squares are the bias-reduced variances.
    """
    model, effects = result.model, result.params.size
    rho = float(result.cov_struct.dep_params)
    parts, bread = [], np.zeros((effects, effects))
    for at, design in enumerate(model.exog_li):
        mean = model.cached_means[at][0]
        slope = model.mean_deriv(design, model.cached_means[at][1])
        deviation = np.sqrt(model.family.variance(mean))
        rows = mean.size
        correlation = np.full((rows, rows), rho)
        np.fill_diagonal(correlation, 1.0)
        weight = np.linalg.inv(correlation * np.outer(deviation, deviation))
        bread += slope.T @ weight @ slope
        parts.append((slope, weight, model.endog_li[at] - mean))
    inverse = np.linalg.inv(bread)
    found = []
    for slope, weight, residual in parts:
        if gently:
            share = np.diag(slope.T @ weight @ slope @ inverse)
            found.append(
                inverse @ ((slope.T @ weight @ residual) / np.sqrt(1 - np.minimum(share, _MOST_SHARE)))
            )
            continue
        leverage = slope @ inverse @ slope.T @ weight
        corrected = np.linalg.solve(np.eye(residual.size) - leverage, residual)
        found.append(inverse @ slope.T @ weight @ corrected)
    return np.array(found)


def degrees_of(added: Floats) -> float:
    """Degrees of freedom of a sandwich variance (Pan and Wall, Stat Med 2002;21:1429).

    Twice the variance squared over its own variance: clusters less one where they are alike, fewer where some
    outweigh the others; at least 2.

    Parameters
    ----------
    added : ndarray, shape (clusters,)
        A column of `influences`.
    """
    count = added.size
    squares = added**2
    variance = count / (count - 1) * float(((squares - squares.mean()) ** 2).sum())
    if not variance > 0:
        return float(count - 1)
    return min(count - 1.0, max(_FEWEST_DEGREES, 2 * float(squares.sum()) ** 2 / variance))


def clustered_odds(success: NDArray[np.bool_], fall: Floats, patient: NDArray[np.object_]) -> Estimate:
    """Odds ratio of success per standard deviation of fall: logistic GEE, exchangeable within patients.

    Parameters
    ----------
    success : ndarray of bool, shape (tracts,)
    fall : ndarray, shape (tracts,)
        Minus the change.
    patient : ndarray of str, shape (tracts,)

    Returns
    -------
    Estimate
        On the scale of the odds ratio; covariance by Fay and Graubard, t with `degrees_of`.
    """
    patients = len(set(patient.tolist()))
    smaller = min(int(success.sum()), int((~success).sum()))
    if patients < MIN_PATIENTS or smaller < MIN_PATIENTS:
        return Estimate(
            reason=few("tracts", smaller, MIN_PATIENTS) + f" in the smaller class, {patients} patients"
        )
    spread = float(np.std(fall, ddof=1))
    if not spread > 0:
        return Estimate(reason="NO_VARIATION (all changes are equal)")
    order = np.argsort(patient, kind="stable")
    design = np.column_stack([np.ones(fall.size), (fall - fall.mean()) / spread])[order]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = sm.GEE(
                success.astype(float)[order],
                design,
                groups=patient[order],
                family=sm.families.Binomial(),
                cov_struct=sm.cov_struct.Exchangeable(),
            )
            result = model.fit(maxiter=100)
            added = influences(result, gently=True)[:, 1]
        except (ValueError, np.linalg.LinAlgError, FloatingPointError) as failure:
            return Estimate(reason=f"NO_FIT ({failure})")
    value, error = float(result.params[1]), math.sqrt(float((added**2).sum()))
    # classes that do not overlap drive the odds ratio to infinity
    if not (bool(result.converged) and math.isfinite(error) and error > 0 and abs(value) < _SEPARATED):
        return Estimate(reason="NO_FIT (the classes do not overlap, or the fit did not converge)")
    found = t_estimate(value, error, degrees_of(added))
    return Estimate(math.exp(found.value), math.exp(found.low), math.exp(found.high), found.p)
