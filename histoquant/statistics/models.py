"""Models of all biopsies: a mixed model of log densities with patient slopes, a GEE of counts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from histoquant.statistics.estimate import TAIL, Estimate, few

MIN_PATIENTS = 5
# Below this share of the residual variance a variance component counts as zero.
_BOUNDARY = 1e-4
_MAX_WARNINGS = 4
_SEPARATED = 8.0  # log odds per standard deviation: nobody measures such a slope


@dataclass(frozen=True, slots=True)
class Fit:
    """One fitted model.

    Attributes
    ----------
    changes : tuple of Estimate
        Change from the first timepoint, one per later timepoint.
    patients, biopsies : int
        Clusters and rows.
    dispersion : float
        GEE: alpha of ``mu + alpha mu^2``; NaN for the mixed model.
    converged, boundary : bool or None
        What the optimiser says; whether a variance component is at zero. None without a fit.
    warnings : tuple of str
    reason : str or None
        Why there is no fit.
    """

    changes: tuple[Estimate, ...] = ()
    patients: int = 0
    biopsies: int = 0
    dispersion: float = math.nan
    converged: bool | None = None
    boundary: bool | None = None
    warnings: tuple[str, ...] = field(default=())
    reason: str | None = None


def mixed_model(table: pd.DataFrame, visits: Sequence[str]) -> Fit:
    """Fit ``y ~ visit`` with intercept and month slope per patient and an intercept per tract, by REML.

    Without the slope the type I error reaches a quarter where patients change at different rates.
    statsmodels drops the patient's intercept silently when ``vc_formula`` comes without ``re_formula``; both
    are given and the size of the fitted covariance is checked. It knows no small-sample degrees of freedom:
    intervals use t with patients - 1.

    Parameters
    ----------
    table : DataFrame
        Columns y, month (float), patient, tract (unique over patients), visit; complete rows.
    visits : sequence of str
        In order, the first is the baseline; all occur in the table.
    """
    patients, rows = table["patient"].nunique(), len(table)
    hindrance = _hindrance(table, visits, patients)
    if hindrance is not None:
        return Fit(patients=patients, biopsies=rows, reason=hindrance)
    several = bool(table.groupby("patient")["tract"].nunique().gt(1).any())
    if not several and len(visits) < 3:
        return Fit(
            patients=patients, biopsies=rows, reason="SLOPE_NOT_IDENTIFIABLE (two timepoints, one tract each)"
        )
    data = table.assign(visit=pd.Categorical(table["visit"], list(visits), ordered=False))
    # one tract per patient: its intercept is the patient's
    components = {"tract": "0+C(tract)"} if several else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = smf.mixedlm(
                "y ~ C(visit)", data, groups="patient", re_formula="1+month", vc_formula=components
            )
            result = model.fit(reml=True, method=["lbfgs", "powell"])
            # at the boundary a variance may come out negative: then there is no error, see `_t_estimates`
            errors = np.asarray(result.bse_fe)[1 : len(visits)]
        except (ValueError, np.linalg.LinAlgError) as error:
            return Fit(patients=patients, biopsies=rows, reason=f"NO_FIT ({error})")
    assert result.cov_re.shape == (2, 2), "the patient's intercept and slope must both be in the model"
    estimates = np.asarray(result.fe_params)[1 : len(visits)]
    return Fit(
        tuple(_t_estimates(estimates, errors, patients - 1)),
        patients,
        rows,
        converged=bool(result.converged),
        boundary=_at_boundary(result),
        warnings=_texts(caught),
    )


def count_model(table: pd.DataFrame, visits: Sequence[str]) -> Fit:
    """Fit negative binomial counts by GEE, exchangeable within patients, with ``ln A`` as offset.

    GEE does not estimate the dispersion, so it comes by moments from a Poisson fit; the covariance is
    bias-reduced (Mancl and DeRouen) because clusters are few.

    Parameters
    ----------
    table : DataFrame
        Columns count, area_mm2, patient, tract, visit; complete rows.
    visits : sequence of str
        In order, the first is the baseline.
    """
    patients, rows = table["patient"].nunique(), len(table)
    hindrance = _hindrance(table.assign(y=table["count"]), visits, patients)
    if hindrance is None and bool((table.groupby("visit")["count"].sum() == 0).any()):
        hindrance = "ALL_ZERO (a timepoint without a single count has no ratio)"
    if hindrance is not None:
        return Fit(patients=patients, biopsies=rows, reason=hindrance)
    ordered = table.sort_values(["patient", "tract", "visit"], kind="stable")
    design: NDArray[np.float64] = np.column_stack(
        [np.ones(rows)] + [(ordered["visit"] == visit).to_numpy(float) for visit in visits[1:]]
    )
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
        except (ValueError, np.linalg.LinAlgError, FloatingPointError) as error:
            return Fit(patients=patients, biopsies=rows, reason=f"NO_FIT ({error})")
    if not np.isfinite(result.bse).all():
        return Fit(patients=patients, biopsies=rows, reason="NO_FIT (no finite standard error)")
    estimates = tuple(_t_estimates(result.params[1:], result.bse[1:], patients - 1))
    return Fit(
        estimates,
        patients,
        rows,
        alpha,
        converged=bool(result.converged),
        boundary=alpha == 0,
        warnings=_texts(caught),
    )


def _hindrance(table: pd.DataFrame, visits: Sequence[str], patients: int) -> str | None:
    if len(visits) < 2:
        return few("timepoints", len(visits), 2)
    if patients < MIN_PATIENTS:
        return few("patients", patients, MIN_PATIENTS)
    if np.ptp(table["y"].to_numpy(float)) == 0:
        return "NO_VARIATION (all values are equal)"
    return None


def _dispersion(
    counts: NDArray[np.float64], design: NDArray[np.float64], offset: NDArray[np.float64]
) -> float:
    """Moments: ``sum((N - mu)^2 - mu) / sum(mu^2)``, with the parameters' degrees of freedom; at least 0."""
    mu = sm.GLM(counts, design, family=sm.families.Poisson(), offset=offset).fit().fittedvalues
    used = counts.size / (counts.size - design.shape[1])
    return max(0.0, float((used * (counts - mu) ** 2 - mu).sum() / (mu**2).sum()))


def _t_estimates(values: NDArray[np.float64], errors: NDArray[np.float64], degrees: int) -> list[Estimate]:
    reach = float(t_distribution.ppf(1 - TAIL, degrees))
    out = []
    for value, error in zip(values.tolist(), errors.tolist(), strict=True):
        if not (math.isfinite(error) and error > 0):
            out.append(Estimate(value, reason="NO_STANDARD_ERROR"))
            continue
        p = 2 * float(t_distribution.sf(abs(value) / error, degrees))
        out.append(Estimate(value, value - reach * error, value + reach * error, p))
    return out


def _at_boundary(result: object) -> bool:
    scale = float(result.scale)  # type: ignore[attr-defined]
    slopes = np.linalg.eigvalsh(result.cov_re)  # type: ignore[attr-defined]
    tracts: NDArray[np.float64] = result.vcomp  # type: ignore[attr-defined]
    return bool(slopes.min() < _BOUNDARY * scale or (tracts.size and tracts.min() < _BOUNDARY * scale))


def _texts(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return each warning once, in order, as one line."""
    lines = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    return tuple(lines)[:_MAX_WARNINGS]


def clustered_odds(
    success: NDArray[np.bool_], fall: NDArray[np.float64], patient: NDArray[np.object_]
) -> Estimate:
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
        On the scale of the odds ratio; t with patients - 1 degrees of freedom, bias-reduced covariance.
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
            result = model.fit(cov_type="bias_reduced", maxiter=100)
        except (ValueError, np.linalg.LinAlgError, FloatingPointError) as failure:
            return Estimate(reason=f"NO_FIT ({failure})")
    value, error = float(result.params[1]), float(result.bse[1])
    # classes that do not overlap drive the odds ratio to infinity
    if not (bool(result.converged) and math.isfinite(error) and error > 0 and abs(value) < _SEPARATED):
        return Estimate(reason="NO_FIT (the classes do not overlap, or the fit did not converge)")
    found = _t_estimates(np.array([value]), np.array([error]), patients - 1)[0]
    return Estimate(math.exp(found.value), math.exp(found.low), math.exp(found.high), found.p)
