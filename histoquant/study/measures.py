"""What is analysed: every measure of every biopsy, planned or taken, as one long table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from histoquant.study.biopsy_table import natural
from histoquant.study.pooling import implied_overdispersion
from histoquant.study.timeline import Visit
from histoquant.study.trial_tables import TrialTables

MAIN, FURTHER, INDEX = "main", "further", "index"
LOG, DIFFERENCE = "log", "difference"
UNITS_OF_CHANGE = {"1/mm2": "ln ratio", "%": "percentage points", "points": "points"}
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Measure:
    """One column of the biopsy table that is compared between timepoints.

    Attributes
    ----------
    name : str
        The column.
    marker : str
    prefix : str
        Beginning of the marker's columns.
    role, scale, unit : str
        See ``measures.csv``.
    count, area : str
        Columns of the count N and of the area A it lies on; log scale only for the count.
    """

    name: str
    marker: str
    prefix: str
    role: str
    scale: str
    unit: str
    count: str = ""
    area: str = ""


def _density(name: str, prefix: str, role: str, count: str, area: str = "tissue_mm2") -> Measure:
    marker = prefix.upper()
    return Measure(
        f"{prefix}_{name}", marker, prefix, role, LOG, "1/mm2", f"{prefix}_{count}", f"{prefix}_{area}"
    )


def _share(name: str, prefix: str) -> Measure:
    return Measure(
        f"{prefix}_{name}", prefix.upper(), prefix, FURTHER, DIFFERENCE, "%", area=f"{prefix}_tissue_mm2"
    )


SCORE = Measure("inflammation_score", "HII", "", INDEX, DIFFERENCE, "points")
_STANDING = (
    _density("per_mm2", "cd68", MAIN, "positive"),
    _density("diffuse_per_mm2", "cd20", MAIN, "diffuse_positive", "diffuse_mm2"),
    _density("vessels_per_mm2", "cd31", MAIN, "vessels"),
    SCORE,
    _density("per_mm2", "cd20", FURTHER, "positive"),
    _share("area_percent", "cd68"),
    _share("aggregate_area_percent", "cd20"),
    _share("endothelial_area_percent", "cd31"),
    _share("lumen_area_percent", "cd31"),
)


def measures_of(biopsies: pd.DataFrame) -> tuple[Measure, ...]:
    """Return the standing measures, and the density of every other marker in the table."""
    known = {measure.name for measure in _STANDING}
    others = [
        name.removesuffix("_per_mm2")
        for name in biopsies.columns
        if name.endswith("_per_mm2")
        and name not in known
        and f"{name.removesuffix('_per_mm2')}_status" in biopsies
    ]
    return (*_STANDING, *(_density("per_mm2", prefix, FURTHER, "positive") for prefix in sorted(others)))


@dataclass(frozen=True, slots=True)
class Tract:
    """A tract that was to be biopsied; ``tract`` is empty where a study has none."""

    patient: str
    tract: str


def tracts_of(biopsies: pd.DataFrame, tables: TrialTables) -> tuple[Tract, ...]:
    """Return every tract that is listed or has a biopsy, in natural order."""
    keys = {(row.patient, row.tract) for row in tables.tracts}
    keys |= {
        (str(patient), "" if pd.isna(tract) else str(tract))
        for patient, tract in zip(biopsies["patient"], biopsies["tract"], strict=True)
    }
    ordered = sorted(keys, key=lambda key: (natural(key[0]), natural(key[1])))
    return tuple(Tract(patient, tract) for patient, tract in ordered)


def measure_table(
    biopsies: pd.DataFrame, visits: Sequence[Visit], tables: TrialTables, scores: pd.DataFrame
) -> pd.DataFrame:
    """Lay out every measure at every planned timepoint of every tract.

    Parameters
    ----------
    biopsies : DataFrame
        From `histoquant.study.biopsies`.
    visits : sequence of Visit
        The timeline; biopsies at other timepoints are left out.
    tables : TrialTables
        Reasons of missing biopsies, tracts without any.
    scores : DataFrame
        From `histoquant.study.scores.score_table`: intervals of the index.

    Returns
    -------
    DataFrame
        Columns of ``measures.csv`` and ``se``: standard error of the analysed value by counting within the
        sections, NaN where it is not known.
    """
    by_key = {
        (str(row["patient"]), "" if pd.isna(row["tract"]) else str(row["tract"]), str(row["timepoint"])): row
        for row in biopsies.to_dict("records")
    }
    intervals = {
        (row["patient"], row["tract"] or "", row["timepoint"]): row for row in scores.to_dict("records")
    }
    rows = []
    for tract in tracts_of(biopsies, tables):
        for visit in visits:
            key = (tract.patient, tract.tract, visit.label)
            rows += list(
                _rows(key, visit, by_key.get(key), measures_of(biopsies), tables, intervals.get(key, {}))
            )
    return pd.DataFrame(rows)


def _rows(
    key: tuple[str, str, str],
    visit: Visit,
    biopsy: dict[Any, Any] | None,
    measures: Sequence[Measure],
    tables: TrialTables,
    interval: dict[Any, Any],
) -> Iterator[dict[str, Any]]:
    for measure in measures:
        row: dict[str, Any] = {
            "patient": key[0],
            "tract": key[1],
            "timepoint": visit.label,
            "month": visit.month,
            "measure": measure.name,
            "marker": measure.marker,
            "role": measure.role,
            "scale": measure.scale,
            "unit": measure.unit,
            **_EMPTY,
        }
        if biopsy is None:
            row["reason"] = f"NO_BIOPSY ({tables.why_missing(*key)})"
        elif measure is SCORE:
            row |= _score_cells(biopsy, interval)
        else:
            row |= _marker_cells(measure, biopsy)
        yield row


_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("count", "area_mm2", "value", "value_low", "value_high", "analysed", "se"), math.nan),
    "clone": None,
    "evaluable": False,
    "reason": None,
}


def _number(row: dict[Any, Any], column: str) -> float:
    value = row.get(column)
    return math.nan if value is None or pd.isna(value) else float(value)


def _marker_cells(measure: Measure, biopsy: dict[Any, Any]) -> dict[str, Any]:
    status = str(biopsy[f"{measure.prefix}_status"])
    clone = biopsy[f"{measure.prefix}_clone"]
    value, area = _number(biopsy, measure.name), _number(biopsy, measure.area)
    cells: dict[str, Any] = {
        "area_mm2": area,
        "value": value,
        "clone": None if pd.isna(clone) else str(clone),
        "reason": None,
    }
    usable = status.startswith("OK") and math.isfinite(value)
    if not usable:
        cells["reason"] = status.rsplit("; ", 1)[-1].removeprefix("diffuse ")
        if cells["reason"].startswith("OK"):
            cells["reason"] = "NOT_MEASURED"
    if measure.scale == LOG:
        count = _number(biopsy, measure.count)
        high = _number(biopsy, f"{measure.name}_high")
        phi = implied_overdispersion(count, area, high)
        cells |= {"count": count, "value_low": _number(biopsy, f"{measure.name}_low"), "value_high": high}
        if usable:
            cells |= {"analysed": math.log((count + 0.5) / area), "se": math.sqrt(phi / (count + 0.5))}
    elif usable:
        cells["analysed"] = value
    return cells | {"evaluable": usable}


def _score_cells(biopsy: dict[Any, Any], interval: dict[Any, Any]) -> dict[str, Any]:
    value = _number(biopsy, "inflammation_score")
    usable = math.isfinite(value)
    low, high = _number(interval, "score_low"), _number(interval, "score_high")
    area = _number(biopsy, "cd68_tissue_mm2") + _number(biopsy, "cd20_tissue_mm2")
    return {
        "value": value,
        "value_low": low,
        "value_high": high,
        "area_mm2": area,
        "analysed": value if usable else math.nan,
        "se": (high - low) / (2 * _Z),
        "evaluable": usable,
        "reason": None if usable else str(biopsy["score_status"]),
    }
