"""A mixed model of log densities: intercept and slope of each patient, intercept of each tract."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from histoquant.statistics.models import Fit, design_of, hindrance, t_estimate
from histoquant.statistics.reml import Cluster, Reml, fit_reml

# Below this share of the residual variance a variance component counts as zero.
_BOUNDARY = 1e-4
_FEWEST_DEGREES = 2.0  # below, a variance is known no better than a guess
_NO_SLOPES = "patients' slopes are left out: their variance cannot be told from zero"


def mixed_model(table: pd.DataFrame, visits: Sequence[str]) -> Fit:
    """Fit ``y ~ visit`` with intercept and month slope per patient and an intercept per tract, by REML.

    Without the slope the type I error reaches a quarter where patients change at different rates. Errors and
    degrees of freedom are Kenward and Roger's; variances may come out below zero. Where that ends the search
    (patients' slopes hardly differ) the model is fitted without slopes, and ``warnings`` says so.

    Parameters
    ----------
    table : DataFrame
        Columns y, month (float), patient, tract (unique over patients), visit; complete rows.
    visits : sequence of str
        In order, the first is the baseline; all occur in the table.
    """
    patients, rows = table["patient"].nunique(), len(table)
    reason = hindrance(table, visits)
    several = bool(table.groupby("patient")["tract"].nunique().gt(1).any())
    if reason is None and not several and len(visits) < 3:
        reason = "SLOPE_NOT_IDENTIFIABLE (two timepoints, one tract each)"
    if reason is not None:
        return Fit(patients=patients, biopsies=rows, reason=reason)
    ordered = table.sort_values(["patient", "tract", "visit"], kind="stable")
    spread = float(np.var(ordered["y"].to_numpy(float)))
    # one tract per patient: its intercept is the patient's
    shares = [0.3, 0.3, 0.3] if several else [0.4, 0.5]
    found = fit_reml(_clusters(ordered, visits, several, True), spread * np.array([*shares, 0.0, 0.1]))
    warned: tuple[str, ...] = ()
    if found is None or not _firm(found, len(visits)):
        found = fit_reml(_clusters(ordered, visits, several, False), spread * np.array(shares))
        warned = (_NO_SLOPES,)
    if found is None:
        reason = "NO_FIT (the variances cannot be told apart)"
        return Fit(patients=patients, biopsies=rows, reason=reason)
    places = range(1, len(visits))
    degrees = tuple(found.degrees(at) for at in places)
    changes = tuple(
        t_estimate(float(found.effects[at]), found.error(at), of)
        for at, of in zip(places, degrees, strict=True)
    )
    return Fit(
        changes,
        degrees,
        patients,
        rows,
        converged=found.converged,
        boundary=bool(warned) or _at_boundary(found, several),
        warnings=warned,
    )


def _firm(found: Reml, visits: int) -> bool:
    return found.converged and all(found.degrees(at) >= _FEWEST_DEGREES for at in range(1, visits))


def _clusters(
    ordered: pd.DataFrame, visits: Sequence[str], several: bool, slopes: bool
) -> tuple[Cluster, ...]:
    """Rows by patient; parts of their covariance: residual, tract, patient, patient with slope, slope."""
    design = design_of(ordered, visits)
    month = ordered["month"].to_numpy(float)
    # from 0 to 1: the search is the same whatever the unit of time
    time = (month - month.min()) / (np.ptp(month) or 1.0)
    y, tract = ordered["y"].to_numpy(float), ordered["tract"].to_numpy()
    found = []
    patient = ordered["patient"].to_numpy()
    for name in dict.fromkeys(patient.tolist()):
        places = np.flatnonzero(patient == name)
        t, one = time[places], np.ones(places.size)
        parts = [np.eye(places.size)]
        if several:
            parts.append((tract[places, None] == tract[None, places]).astype(float))
        parts.append(np.outer(one, one))
        if slopes:
            parts += [np.outer(one, t) + np.outer(t, one), np.outer(t, t)]
        found.append(Cluster(y[places], design[places], np.stack(parts)))
    return tuple(found)


def _at_boundary(found: Reml, several: bool) -> bool:
    least = _BOUNDARY * float(found.variances[0])
    intercept, both, slope = found.variances[-3:]
    patients = np.linalg.eigvalsh(np.array([[intercept, both], [both, slope]]))
    return bool(patients.min() < least or (several and found.variances[1] < least))
