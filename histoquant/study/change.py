"""Change from baseline: of each tract, then of each patient over the tracts evaluable at both visits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from histoquant.study.layout import TABLES
from histoquant.study.measures import LOG
from histoquant.study.timeline import Visit

Row = dict[str, Any]
MEASURE_COLUMNS = ("measure", "marker", "role", "scale", "unit")
_Z = 1.959964


def tract_changes(measures: pd.DataFrame, visits: Sequence[Visit]) -> pd.DataFrame:
    """Pair every later biopsy with the baseline of the same tract, marker and clone (F3).

    Parameters
    ----------
    measures : DataFrame
        From `histoquant.study.measures.measure_table`.
    visits : sequence of Visit
        The first is the baseline.

    Returns
    -------
    DataFrame
        Columns of ``tract_changes.csv``, unit, and ``area_mm2``: tissue of both visits.
    """
    rows: list[Row] = []
    later = {visit.label: visit for visit in visits[1:]}
    bases: dict[tuple[str, str, str], Row] = {}
    records: list[Row] = measures.to_dict("records")  # type: ignore[assignment]
    for record in records:
        if record["timepoint"] == visits[0].label:
            bases[record["patient"], record["tract"], record["measure"]] = record
    for record in records:
        if record["timepoint"] in later:
            base = bases[record["patient"], record["tract"], record["measure"]]
            rows.append(_paired(base, record, visits[0]))
    return pd.DataFrame(rows, columns=[*TABLES["tract_changes"].column_names, "unit", "area_mm2"])


def _paired(base: Row, record: Row, first: Visit) -> Row:
    reason = _hindrance(base, record)
    change = record["analysed"] - base["analysed"] if reason is None else math.nan
    return {
        **{name: record[name] for name in ("patient", "tract", *MEASURE_COLUMNS, "timepoint")},
        "baseline": first.label,
        "months": record["month"] - first.month,
        "baseline_value": base["value"],
        "value": record["value"],
        "change": change,
        "ratio": math.exp(change) if record["scale"] == LOG else math.nan,
        "smallest_detectable": _Z * math.hypot(base["se"], record["se"]),
        "area_mm2": base["area_mm2"] + record["area_mm2"],
        "reason": reason,
    }


def _hindrance(base: Row, record: Row) -> str | None:
    if not base["evaluable"]:
        return f"BASELINE {base['reason']}"
    if not record["evaluable"]:
        return f"VISIT {record['reason']}"
    clones = (base["clone"], record["clone"])
    if all(isinstance(clone, str) for clone in clones) and clones[0].casefold() != clones[1].casefold():
        return f"CLONE_DIFFERS ({clones[0]}, {clones[1]})"
    return None


def patient_changes(changes: pd.DataFrame) -> pd.DataFrame:
    """Average each patient's tracts (F12): unweighted, and weighted by tissue beside it.

    Parameters
    ----------
    changes : DataFrame
        From `tract_changes`.

    Returns
    -------
    DataFrame
        Columns of ``patient_changes.csv`` and unit.
    """
    groups = changes.groupby(["patient", "measure", "timepoint"], sort=False)
    rows = [_patient(group) for _, group in groups]
    return pd.DataFrame(rows, columns=[*TABLES["patient_changes"].column_names, "unit"])


def _patient(group: pd.DataFrame) -> Row:
    first = group.iloc[0]
    known = group[group["change"].notna()]
    change = float(known["change"].mean()) if len(known) else math.nan
    weights = known["area_mm2"].to_numpy(float)
    weighted = math.nan
    if len(known) and bool(np.all(weights > 0)):
        weighted = float(np.average(known["change"].to_numpy(float), weights=weights))
    return {
        **{name: first[name] for name in ("patient", *MEASURE_COLUMNS, "timepoint", "baseline", "months")},
        "tracts": len(known),
        "tract_set": ";".join(tract for tract in known["tract"] if tract),
        "change": change,
        "change_area_weighted": weighted,
        "ratio": math.exp(change) if first["scale"] == LOG else math.nan,
        "reason": None if len(known) else "; ".join(dict.fromkeys(group["reason"])),
    }


def contrasts(changes: pd.DataFrame) -> Iterator[tuple[Row, pd.DataFrame]]:
    """Yield every measure and later timepoint with its rows that have a change, in the order of the table."""
    for _, group in changes.groupby(["measure", "timepoint"], sort=False):
        first = group.iloc[0]
        names = ("timepoint", "baseline", "months", *MEASURE_COLUMNS)
        yield {name: first[name] for name in names}, group[group["change"].notna()]
