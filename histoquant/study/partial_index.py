"""Change of an index of fewer markers: both visits scored on the components that both have (F11)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from histoquant.study.inflammation import inflammation_score
from histoquant.study.measures import DIFFERENCE, INDEX
from histoquant.study.reference import COMPONENT_MARKER, COMPONENTS, component_values
from histoquant.study.study_file import Study
from histoquant.study.timeline import Visit

Row = dict[str, Any]
Key = tuple[str, str, str]


def partial_changes(biopsies: pd.DataFrame, visits: Sequence[Visit], study: Study | None) -> pd.DataFrame:
    """Pair biopsies of which at least one lacks a component of the index.

    Parameters
    ----------
    biopsies : DataFrame
        From `histoquant.study.biopsies`.
    visits : sequence of Visit
        The first is the baseline.
    study : Study or None
        Pairs are formed only where it says ``partial = "renormalise"`` and has a usable reference.

    Returns
    -------
    DataFrame
        Rows as of `histoquant.study.change.tract_changes`, one measure for each set of components, which its
        name says: ``inflammation_score_partial_cd68``. Changes of different sets are never pooled.
    """
    if study is None or study.reference is None or study.reference.unusable is not None:
        return pd.DataFrame()
    if study.inflammation.partial != "renormalise" or not visits:
        return pd.DataFrame()
    values = _values(biopsies, study)
    rows = []
    for (patient, tract, timepoint), later in values.items():
        base = values.get((patient, tract, visits[0].label))
        month = next((visit.month for visit in visits[1:] if visit.label == timepoint), None)
        if base is not None and month is not None:
            rows += _paired(base, later, study, _about((patient, tract, timepoint), visits[0], month))
    return pd.DataFrame(rows)


def _values(biopsies: pd.DataFrame, study: Study) -> dict[Key, dict[str, float]]:
    """Components of every biopsy, without those whose clone is not the reference's."""
    components = component_values(biopsies)
    clones = study.reference.clones if study.reference is not None else {}
    found: dict[Key, dict[str, float]] = {}
    for at, row in enumerate(biopsies.to_dict("records")):
        tract = "" if pd.isna(row["tract"]) else str(row["tract"])
        found[str(row["patient"]), tract, str(row["timepoint"])] = {
            name: float(components.iloc[at][name])
            for name in COMPONENTS
            if math.isfinite(components.iloc[at][name])
            and _same_clone(row[f"{COMPONENT_MARKER[name]}_clone"], clones.get(COMPONENT_MARKER[name]))
        }
    return found


def _same_clone(stained: object, reference: str | None) -> bool:
    return not isinstance(stained, str) or reference is None or stained.casefold() == reference.casefold()


def _about(key: Key, first: Visit, month: float) -> Row:
    return {
        **dict(zip(("patient", "tract", "timepoint"), key, strict=True)),
        "marker": "HII",
        "role": INDEX,
        "scale": DIFFERENCE,
        "unit": "points",
        "baseline": first.label,
        "months": month - first.month,
        **dict.fromkeys(("ratio", "smallest_detectable", "area_mm2"), math.nan),
        "reason": None,
    }


def _paired(base: dict[str, float], later: dict[str, float], study: Study, about: Row) -> list[Row]:
    weights = study.inflammation.weights
    required = [name for name in COMPONENTS if getattr(weights, name) > 0]
    both = [name for name in required if name in base and name in later]
    if not both or len(both) == len(required) or study.reference is None:
        return []
    before, after = (
        inflammation_score(values, study.reference, weights, "renormalise", only=both).partial
        for values in (base, later)
    )
    if before is None or after is None:
        return []
    name = f"inflammation_score_partial_{'+'.join(both)}"
    return [{**about, "measure": name, "baseline_value": before, "value": after, "change": after - before}]
