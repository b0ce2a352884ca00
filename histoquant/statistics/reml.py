"""Restricted maximum likelihood with Kenward and Roger's correction for few clusters.

statsmodels fits mixed models by REML and knows no small-sample correction; with 20 patients a standard error
taken at estimated variances is too small, and no one number of degrees of freedom fits every contrast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MAX_STEPS = 60
_GAIN = 1e-10  # expected gain in log likelihood below which the search ends
_SMALLEST_STEP = 1e-4
_SINGULAR = 1e-10


@dataclass(frozen=True, slots=True)
class Cluster:
    """Rows of one patient.

    Attributes
    ----------
    y : ndarray, shape (rows,)
    x : ndarray, shape (rows, effects)
    parts : ndarray, shape (parameters, rows, rows)
        The covariance of the rows is the sum of these, each times its parameter.
    """

    y: Floats
    x: Floats
    parts: Floats


@dataclass(frozen=True, slots=True)
class Reml:
    """A fit.

    Attributes
    ----------
    effects : ndarray, shape (effects,)
    covariance : ndarray, shape (effects, effects)
        Of the effects at the estimated variances.
    adjusted : ndarray, shape (effects, effects)
        The same with what estimating the variances adds (Kenward and Roger, Biometrics 1997;53:983).
    variances : ndarray, shape (parameters,)
        Not held above zero: cut off at zero they would be too large on average, and tests too strict.
    log_likelihood : float
        Restricted, but for its constant.
    converged : bool
    steps : int
    """

    effects: Floats
    covariance: Floats
    adjusted: Floats
    variances: Floats
    log_likelihood: float
    converged: bool
    steps: int
    _slopes: Floats
    _uncertainty: Floats

    def error(self, at: int) -> float:
        """Return the corrected standard error of one effect; NaN where there is none."""
        return math.sqrt(self.adjusted[at, at]) if self.adjusted[at, at] > 0 else math.nan

    def degrees(self, at: int) -> float:
        """Return an effect's degrees of freedom: twice its variance squared over the variance of that."""
        slope = self._slopes[:, at, at]
        spread = float(slope @ self._uncertainty @ slope)
        return 2 * float(self.covariance[at, at]) ** 2 / spread if spread > 0 else math.nan


def fit_reml(clusters: Sequence[Cluster], start: Floats) -> Reml | None:
    """Fit by Fisher scoring with halved steps.

    Parameters
    ----------
    clusters : sequence of Cluster
    start : ndarray, shape (parameters,)
        Variances to begin with; every cluster's covariance must be positive definite there.

    Returns
    -------
    Reml or None
        None where the parameters cannot be told apart.
    """
    variances, here, converged = start, _moments(clusters, start), False
    steps = 0
    while here is not None and steps < _MAX_STEPS:
        information, score = here.information, here.score
        if not _invertible(information):
            return None
        step = np.linalg.solve(information, score)
        if score @ step < _GAIN:
            converged = True
            break
        share = 1.0
        while share > _SMALLEST_STEP:
            reached = _log_likelihood(clusters, variances + share * step)
            if reached is not None and reached > here.log_likelihood:
                break
            share /= 2
        else:
            break
        variances = variances + share * step
        here, steps = _moments(clusters, variances), steps + 1
    if here is None or not _invertible(here.information):
        return None
    return _corrected(here, variances, converged, steps)


def _invertible(information: Floats) -> bool:
    if not (np.isfinite(information).all() and np.diag(information).min() > 0):
        return False
    scale = np.sqrt(np.diag(information))
    return bool(np.linalg.eigvalsh(information / np.outer(scale, scale)).min() > _SINGULAR)


@dataclass(frozen=True, slots=True)
class _Moments:
    """What likelihood, slope and Kenward and Roger's correction are made of; names as in their paper."""

    log_likelihood: float
    effects: Floats
    phi: Floats
    score: Floats
    information: Floats
    p: Floats
    q: Floats


def _log_likelihood(clusters: Sequence[Cluster], variances: Floats) -> float | None:
    """Restricted log likelihood; None where a covariance is not positive definite."""
    solved = _solved(clusters, variances)
    return None if solved is None else solved[0]


def _solved(
    clusters: Sequence[Cluster], variances: Floats
) -> tuple[float, Floats, Floats, list[Floats]] | None:
    effects = clusters[0].x.shape[1]
    xx, xy, yy, log_det = np.zeros((effects, effects)), np.zeros(effects), 0.0, 0.0
    inverses: list[Floats] = []
    for cluster in clusters:
        covariance = np.tensordot(variances, cluster.parts, 1)
        try:
            root = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return None
        inverse = np.linalg.inv(covariance).astype(np.float64)
        inverses.append(inverse)
        log_det += 2 * float(np.log(np.diag(root)).sum())
        xx += cluster.x.T @ inverse @ cluster.x
        xy += cluster.x.T @ inverse @ cluster.y
        yy += float(cluster.y @ inverse @ cluster.y)
    phi = np.linalg.inv(xx).astype(np.float64)
    beta = phi @ xy
    log_likelihood = -0.5 * (log_det + float(np.linalg.slogdet(xx)[1]) + yy - float(xy @ beta))
    return log_likelihood, beta, phi, inverses


def _moments(clusters: Sequence[Cluster], variances: Floats) -> _Moments | None:
    solved = _solved(clusters, variances)
    if solved is None:
        return None
    log_likelihood, beta, phi, inverses = solved
    count, effects = variances.size, beta.size
    score, trace = np.zeros(count), np.zeros((count, count))
    p, q = np.zeros((count, effects, effects)), np.zeros((count, count, effects, effects))
    for cluster, inverse in zip(clusters, inverses, strict=True):
        parts, rows = cluster.parts, cluster.y.size
        residual, weighted = inverse @ (cluster.y - cluster.x @ beta), inverse @ cluster.x
        product, on_x = inverse @ parts, parts @ weighted
        score += 0.5 * ((parts @ residual) @ residual - np.trace(product, axis1=1, axis2=2))
        trace += product.reshape(count, -1) @ product.transpose(0, 2, 1).reshape(count, -1).T
        p -= weighted.T @ on_x
        flat = on_x.transpose(0, 2, 1).reshape(count * effects, rows)
        q += (flat @ inverse @ flat.T).reshape(count, effects, count, effects).transpose(0, 2, 1, 3)
    along = phi @ p
    score -= 0.5 * np.trace(along, axis1=1, axis2=2)
    information = 0.5 * (
        trace
        - 2 * np.einsum("ij,klji->kl", phi, q)
        + along.reshape(count, -1) @ along.transpose(0, 2, 1).reshape(count, -1).T
    )
    return _Moments(log_likelihood, beta, phi, score, information, p, q)


def _corrected(found: _Moments, variances: Floats, converged: bool, steps: int) -> Reml:
    uncertainty = np.linalg.inv(found.information).astype(np.float64)
    phi = found.phi
    excess = np.einsum("kl,klij->ij", uncertainty, found.q) - np.einsum(
        "kl,kia,ab,lbj->ij", uncertainty, found.p, phi, found.p
    )
    return Reml(
        found.effects,
        phi,
        phi + 2 * phi @ excess @ phi,
        variances,
        found.log_likelihood,
        converged,
        steps,
        _slopes=-phi @ found.p @ phi,
        _uncertainty=uncertainty,
    )
