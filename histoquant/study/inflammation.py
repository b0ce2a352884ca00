"""The HistoQuant Inflammation Index (HII), 0 to 100. Exploratory, unvalidated: for research use only."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd

from histoquant._version import __version__
from histoquant.study.design import InflammationSection, Weights
from histoquant.study.reference import COMPONENT_MARKER, COMPONENTS, Reference, component_values
from histoquant.study.tables import typed

# Immunoscore's five classes cut at these percentiles; here they are an uncalibrated ordinal.
GRADE_CUTS = (10, 25, 70, 95)
NO_REFERENCE = (
    "NO_REFERENCE: freeze at least 10 baseline biopsies with `histoquant reference`, and name the file in "
    "study.toml under [inflammation] reference"
)
SCORE_COLUMNS = (
    "inflammation_score",
    "inflammation_grade",
    "score_status",
    "inflammation_score_partial",
    "inflammation_score_equal_weights",
    *(f"inflammation_score_without_{name}" for name in COMPONENTS),
    "inflammation_reference",
)


@dataclass(frozen=True, slots=True)
class Score:
    """One biopsy's index.

    Attributes
    ----------
    value : float or None
        ``100 * sum(w s) / sum(w)`` over all required components; None when one is missing.
    partial : float or None
        The same over the components at hand, when some are missing and partial scores are allowed.
    components : tuple of str
        Components that entered ``value`` or ``partial``.
    shares : Mapping of str to float
        Place of each measured component on the reference, 0 to 1.
    equal_weights : float or None
        The index with equal weights; None unless every required component is there.
    without : Mapping of str to float or None
        The index without one component, by its name.
    saturated : tuple of str
        Components at the end of the reference, where further change does not show.
    """

    value: float | None = None
    partial: float | None = None
    components: tuple[str, ...] = ()
    shares: Mapping[str, float] = field(default_factory=dict)
    equal_weights: float | None = None
    without: Mapping[str, float | None] = field(default_factory=dict)
    saturated: tuple[str, ...] = ()

    @property
    def grade(self) -> int | None:
        """0 to 4: how many of the cuts 10, 25, 70, 95 the value exceeds; None without a value."""
        return None if self.value is None else sum(self.value > cut for cut in GRADE_CUTS)


def inflammation_score(
    values: Mapping[str, float],
    reference: Reference,
    weights: Weights | None = None,
    partial: str = "forbid",
    only: Collection[str] = COMPONENTS,
) -> Score:
    """Score one biopsy.

    Parameters
    ----------
    values : Mapping of str to float
        Transformed components, see `component_values`; absent or NaN means not measured.
    reference : Reference
    weights : Weights, optional
        Default: CD68 0.5, diffuse CD20 0.25, CD20 aggregates 0.25.
    partial : str
        ``"forbid"`` or ``"renormalise"``.
    only : collection of str
        Components to look at: for a change between two visits, those measured at both.

    Returns
    -------
    Score

    Raises
    ------
    StudyError
        If the reference is too small or degenerate.
    """
    weight = (weights or Weights()).model_dump()
    required = [name for name in COMPONENTS if weight[name] > 0]
    placed = {
        name: reference.position(name, values[name])
        for name in COMPONENTS
        if name in only and math.isfinite(values.get(name, math.nan))
    }
    shares = {name: share for name, (share, _) in placed.items()}
    present = tuple(name for name in required if name in shares)
    if len(present) < len(required):
        part = (
            _weighted(shares, {name: weight[name] for name in present}) if partial == "renormalise" else None
        )
        return Score(partial=part, components=present if part is not None else (), shares=shares)
    return Score(
        value=_weighted(shares, {name: weight[name] for name in required}),
        components=present,
        shares=shares,
        equal_weights=_weighted(shares, dict.fromkeys(required, 1.0)),
        without={
            left_out: _weighted(shares, {name: weight[name] for name in required if name != left_out})
            for left_out in required
        },
        saturated=tuple(name for name in required if placed[name][1]),
    )


def _weighted(shares: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    total = math.fsum(weights.values())
    if total <= 0:
        return None
    return 100 * math.fsum(weights[name] * shares[name] for name in weights) / total


def score_biopsies(
    biopsies: pd.DataFrame, settings: InflammationSection, reference: Reference | None
) -> pd.DataFrame:
    """Score every biopsy, or say why not.

    Parameters
    ----------
    biopsies : DataFrame
        Panels of each biopsy.
    settings : InflammationSection
    reference : Reference or None
        The frozen reference; None gives no scores.

    Returns
    -------
    DataFrame
        Same index, columns `SCORE_COLUMNS`. ``score_status`` begins with ``OK``, or with ``HII_partial(...)``
        for a score of fewer markers, or names every reason for an empty score.
    """
    values = component_values(biopsies)
    rows = [
        _score_row(row, dict(zip(COMPONENTS, of_row, strict=True)), settings, reference)
        for (_, row), of_row in zip(
            biopsies.iterrows(), values[list(COMPONENTS)].to_numpy().tolist(), strict=True
        )
    ]
    return typed(pd.DataFrame(rows, index=biopsies.index, columns=list(SCORE_COLUMNS)))


def _score_row(
    row: pd.Series, values: Mapping[str, float], settings: InflammationSection, reference: Reference | None
) -> dict[str, object]:
    reasons = _missing(row, values, settings.weights)
    hindrance = _hindrance(row, reference)
    if reference is None or hindrance is not None:
        return {"score_status": "; ".join([*reasons, hindrance or NO_REFERENCE])}
    score = inflammation_score(values, reference, settings.weights, settings.partial)
    return {
        "inflammation_score": score.value,
        "inflammation_grade": score.grade,
        "score_status": "; ".join([*_outcome(score, reasons), *_remarks(score, reference)]),
        "inflammation_score_partial": score.partial,
        "inflammation_score_equal_weights": score.equal_weights,
        **{f"inflammation_score_without_{name}": value for name, value in score.without.items()},
        "inflammation_reference": None if not score.components else reference.id,
    }


def _missing(row: pd.Series, values: Mapping[str, float], weights: Weights) -> list[str]:
    reasons: dict[str, None] = {}
    for name in COMPONENTS:
        if getattr(weights, name) > 0 and math.isnan(values[name]):
            marker = COMPONENT_MARKER[name]
            reasons[f"{marker.upper()}: {str(row[f'{marker}_status']).removeprefix('OK; ')}"] = None
    return list(reasons)


def _hindrance(row: pd.Series, reference: Reference | None) -> str | None:
    if reference is None:
        return NO_REFERENCE
    if reference.unusable is not None:
        return reference.unusable
    for marker, clone in reference.clones.items():
        stained = row[f"{marker}_clone"]
        if isinstance(stained, str) and stained.casefold() != clone.casefold():
            return f"CLONE_DIFFERS ({marker.upper()} {stained}, reference {clone})"
    return None


def _outcome(score: Score, reasons: list[str]) -> list[str]:
    if score.value is not None:
        return ["OK"]
    if score.partial is not None:
        return [f"HII_partial({'+'.join(score.components)})", *reasons]
    return reasons


def _remarks(score: Score, reference: Reference) -> list[str]:
    remarks = []
    if score.saturated:
        remarks.append(f"SATURATED ({', '.join(score.saturated)})")
    if score.components and reference.pipeline_version != __version__:
        remarks.append(f"REFERENCE_VERSION ({reference.pipeline_version}, this is {__version__})")
    return remarks
