"""One row per biopsy (patient x tract x timepoint): every marker pooled, and the inflammation index."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from histoquant.study.design import InflammationSection
from histoquant.study.inflammation import SCORE_COLUMNS, score_biopsies
from histoquant.study.patterns import FIELDS, marker_key
from histoquant.study.pooling import Readings, diffuse, hindrance, number, state
from histoquant.study.study_file import Study
from histoquant.study.tables import typed

IDENTITY_COLUMNS = ("patient", "tract", "timepoint", "month")
_TEXT_COLUMNS = ("slide_id", "status", "reason", "flags", "control", *FIELDS)
_INTERVAL = ("", "_low", "_high")


def _cd68(readings: Readings) -> dict[str, float]:
    return {
        **readings.density("positive").columns("per_mm2"),
        "positive": readings.total("positive"),
        "area_percent": readings.percent("positive_area_percent"),
    }


def _cd20(readings: Readings) -> dict[str, float]:
    outside, _ = diffuse(readings)
    return {
        **_cd68(readings),
        **outside.columns("diffuse_per_mm2"),
        "diffuse_positive": outside.count,
        "diffuse_mm2": outside.area_mm2,
        "aggregates": readings.total("aggregates"),
        "aggregate_area_percent": readings.percent("aggregate_area_percent"),
    }


def _cd31(readings: Readings) -> dict[str, float]:
    # a median over sections cannot be had from the sections' medians
    single = readings.rows[0] if len(readings.rows) == 1 else {}
    return {
        **readings.density("vessels").columns("vessels_per_mm2"),
        "vessels": readings.total("vessels"),
        "endothelial_area_percent": readings.percent("endothelial_area_percent"),
        "lumen_area_percent": readings.percent("lumen_area_percent"),
        "median_diameter_um": number(single, "median_diameter_um"),
    }


def _he(readings: Readings) -> dict[str, float]:
    return {**readings.density("nuclei").columns("nuclei_per_mm2"), "nuclei": readings.total("nuclei")}


def _generic(readings: Readings) -> dict[str, float]:
    nuclei, positive = readings.total("nuclei"), readings.total("positive")
    percent = 100 * positive / nuclei if nuclei > 0 else math.nan
    return {**_cd68(readings), "nuclei": nuclei, "positive_percent": percent}


def _intervals(name: str) -> tuple[str, ...]:
    return tuple(name + end for end in _INTERVAL)


_COMMON = ("tissue_mm2", "sections", "clone", "status")
_CD68_COLUMNS = (*_intervals("per_mm2"), "positive", "area_percent")
_PANELS: dict[str, tuple[Callable[[Readings], dict[str, float]], tuple[str, ...]]] = {
    "cd68": (_cd68, _CD68_COLUMNS),
    "cd20": (
        _cd20,
        (
            *_CD68_COLUMNS,
            *_intervals("diffuse_per_mm2"),
            *("diffuse_positive", "diffuse_mm2", "aggregates", "aggregate_area_percent"),
        ),
    ),
    "cd31": (
        _cd31,
        (
            *_intervals("vessels_per_mm2"),
            *("vessels", "endothelial_area_percent", "lumen_area_percent", "median_diameter_um"),
        ),
    ),
    "he": (_he, (*_intervals("nuclei_per_mm2"), "nuclei")),
}
_GENERIC_PANEL = (_generic, (*_CD68_COLUMNS, "nuclei", "positive_percent"))
# Always in the table, so that its columns do not depend on which stains a run happened to hold.
_STANDING = ("cd68", "cd20", "cd31")


def biopsies(slides: pd.DataFrame, study: Study | None = None) -> pd.DataFrame:
    """Pool slides to biopsies and score their inflammation.

    Parameters
    ----------
    slides : DataFrame
        Rows of ``slides.csv``; control slides and slides without a patient or a timepoint are left out.
        ``section``, ``block``, ``clone`` and ``overdispersion`` are used where they exist.
    study : Study, optional
        Gives months, the order of timepoints, weights and the frozen reference.

    Returns
    -------
    DataFrame
        Sorted by patient, tract and timepoint. Per marker: density ``sum N / sum A`` [1/mm2] with its exact
        95 % interval, counts, evaluable tissue [mm2], area shares [%], sections, clone and a status that
        names the reason for every empty value. Only slides with status OK or OK_WITH_FLAGS give values.
    """
    # a control tells of the staining, whatever patient the block once came from
    records = [r for r in _records(slides) if r["patient"] and r["timepoint"] and not r["control"]]
    prefixes = [*_STANDING, *sorted({_prefix(r["marker"]) for r in records if r["marker"]} - set(_STANDING))]
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for record in sorted(records, key=lambda record: str(record["slide_id"])):
        key = (record["patient"], record["tract"] or "", record["timepoint"])
        groups.setdefault(key, []).append(record)
    keys = sorted(groups, key=lambda key: _order(key, study))
    rows = [_biopsy(key, groups[key], prefixes, study) for key in keys]
    columns = [
        *IDENTITY_COLUMNS,
        *(f"{prefix}_{name}" for prefix in prefixes for name in _columns(prefix)),
        "flags",
    ]
    table = typed(pd.DataFrame(rows, columns=columns))
    scores = score_biopsies(
        table,
        study.inflammation if study is not None else InflammationSection(),
        study.reference if study is not None else None,
    )
    table = pd.concat([table, scores], axis=1)
    return table[
        [*IDENTITY_COLUMNS, *SCORE_COLUMNS[:3], *columns[len(IDENTITY_COLUMNS) :], *SCORE_COLUMNS[3:]]
    ]


def _records(slides: pd.DataFrame) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = slides.to_dict("records")  # type: ignore[assignment]
    for record in records:
        for name in _TEXT_COLUMNS:
            record[name] = _text(record.get(name))
    return records


def _text(value: Any) -> str | None:
    """Return a cell as text; a column of digits that was read as numbers becomes digits again."""
    if isinstance(value, list | tuple):
        value = ";".join(str(part) for part in value)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _prefix(marker: str) -> str:
    key = marker_key(marker)
    return key if key in _PANELS else re.sub(r"\W+", "_", marker.lower()).strip("_") or "marker"


def _panel(prefix: str) -> tuple[Callable[[Readings], dict[str, float]], tuple[str, ...]]:
    return _PANELS.get(prefix, _GENERIC_PANEL)


def _columns(prefix: str) -> Sequence[str]:
    return (*_panel(prefix)[1], *_COMMON)


def _order(key: tuple[str, str, str], study: Study | None) -> tuple[Any, ...]:
    """Sort by month where the timepoint is declared, and digits within labels as numbers: T2 before T10."""
    patient, tract, timepoint = key
    month = study.month(timepoint) if study is not None else None
    return natural(patient), natural(tract), month is None, month or 0.0, natural(timepoint)


def natural(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key by which T2 comes before T10."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts), text


def _biopsy(
    key: tuple[str, str, str], records: list[dict[str, Any]], prefixes: Sequence[str], study: Study | None
) -> dict[str, Any]:
    patient, tract, timepoint = key
    row: dict[str, Any] = {
        "patient": patient,
        "tract": tract or None,
        "timepoint": timepoint,
        "month": study.month(timepoint) if study is not None else None,
    }
    for prefix in prefixes:
        readings = Readings(
            [record for record in records if record["marker"] and _prefix(record["marker"]) == prefix]
        )
        row |= {f"{prefix}_{name}": value for name, value in _marker_values(prefix, readings).items()}
    flagged = {
        f"{record['marker']} {flag}" for record in records for flag in _flags(record) if record["marker"]
    }
    row["flags"] = ";".join(sorted(flagged)) or None
    return row


def _flags(record: dict[str, Any]) -> list[str]:
    return [flag for flag in re.split(r"[;,|\s]+", record["flags"] or "") if flag]


def _marker_values(prefix: str, readings: Readings) -> dict[str, Any]:
    reason = hindrance(readings)
    if reason is not None:
        return {"status": reason, "sections": len(readings.usable.rows)}
    usable = readings.usable
    values: dict[str, Any] = _panel(prefix)[0](usable)
    status = state(readings, [values[_panel(prefix)[1][0]]])
    if prefix == "cd20" and status.startswith("OK") and (remark := diffuse(usable)[1]) is not None:
        status = f"{status}; diffuse {remark}"
    return {
        **values,
        "tissue_mm2": usable.area_mm2,
        "sections": len(usable.rows),
        "clone": next(iter(usable.names("clone")), None),
        "status": status,
    }
