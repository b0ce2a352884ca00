"""The biopsy table in words: markers side by side, intervals beside estimates, reasons under the row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import pandas as pd

from histoquant.report.numbers import as_text, interval_text
from histoquant.report.reasons import explain, speak
from histoquant.report.series import KEYS, SCORE, split_marker, unit_of

_LEAD: Final = (*KEYS, "month")
_SCORES: Final = (SCORE, "inflammation_grade")
_STATUS: Final = "score_status"
# measure -> words under the marker's name; what is not listed stays in biopsies.csv
_MEASURES: Final = {
    "per_mm2": "cells",
    "positive_per_mm2": "cells",
    "diffuse_per_mm2": "outside aggregates",
    "vessels_per_mm2": "vessels",
    "nuclei_per_mm2": "nuclei",
    "positive_percent": "of nuclei",
    "area_percent": "area",
    "positive_area_percent": "area",
    "aggregate_area_percent": "aggregate area",
    "endothelial_area_percent": "endothelial area",
    "lumen_area_percent": "lumen area",
    "median_diameter_um": "median diameter",
}
_HEADS: Final = {SCORE: "0–100", "inflammation_grade": "grade"}


@dataclass(frozen=True)
class Cell:
    """One cell: text or estimate, and its interval."""

    text: str
    interval: str = ""


@dataclass(frozen=True)
class BiopsyRow:
    """One biopsy: cells, and in words why cells are empty."""

    cells: tuple[Cell, ...]
    remark: str


@dataclass(frozen=True)
class BiopsyTable:
    """The whole table.

    Parameters
    ----------
    groups : tuple of (title, number of columns)
    head : tuple of str
        One heading per column.
    numeric : tuple of bool
        Which columns hold numbers.
    rows : tuple of BiopsyRow
    notes : tuple of str
        Remarks that hold for every row, said once.
    """

    groups: tuple[tuple[str, int], ...]
    head: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[BiopsyRow, ...]
    notes: tuple[str, ...]


def _group(column: str, markers: frozenset[str]) -> str:
    if column in _LEAD:
        return ""
    if column in _SCORES:
        return "Inflammation index, exploratory"
    marker, measure = split_marker(column, markers)
    return f"{marker}, vascular panel" if measure.startswith("vessels") or marker == "CD31" else f"{marker}+"


def _heading(column: str, markers: frozenset[str]) -> str:
    if column in _HEADS:
        return _HEADS[column]
    marker, measure = split_marker(column, markers)
    if not marker:
        return column[:1].upper() + column[1:]
    return f"{_MEASURES[measure]}, {unit_of(column)}"


def _columns(names: Sequence[str], filled: set[str], markers: frozenset[str]) -> list[str]:
    """Return identity, then each marker's measures, then the index; columns empty throughout are left out."""
    measured = [n for n in names if split_marker(n, markers)[0] and split_marker(n, markers)[1] in _MEASURES]
    wanted = [*_LEAD, *measured, *_SCORES]
    return [name for name in wanted if name in filled]


def _cell(record: Mapping[str, Any], column: str) -> Cell:
    if column in KEYS:
        return Cell(as_text(record.get(column)))
    value, low, high = (record.get(column + end) for end in ("", "_low", "_high"))
    whole = interval_text(value, low, high) or ""
    text, _, interval = whole.partition(" ")
    return Cell(text, interval)


def _remarks(record: Mapping[str, Any], names: Sequence[str], markers: frozenset[str]) -> list[str]:
    """Return what the row's status columns say beyond OK."""
    said = []
    for name in names:
        marker, measure = split_marker(name, markers)
        status = as_text(record.get(name))
        if marker and measure == "status" and status not in {"", "OK"}:
            said.append(f"{marker}: {speak(status.removeprefix('OK; '))}")
    for part in as_text(record.get(_STATUS)).split("; "):
        text = part.strip()
        marker_of, _, rest = text.partition(": ")
        repeated = rest and split_marker(f"{marker_of}_", markers)[0]
        if text and text != "OK" and not repeated:
            known = explain(re.split(r"[\s:(]", text)[0])
            said.append(f"Index: {known.meaning} {known.way_out}".strip() if known.code else f"Index: {text}")
    return said


def _groups(titles: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return runs of equal titles with their lengths."""
    return tuple((title, len(list(run))) for title, run in groupby(titles))


def biopsy_table(biopsies: pd.DataFrame, markers: frozenset[str]) -> BiopsyTable:
    """Put ``biopsies.csv`` in words.

    Parameters
    ----------
    biopsies : DataFrame
        One row per patient, tract and timepoint; may be empty.
    markers : frozenset of str
        Marker names as the slides spell them.

    Returns
    -------
    BiopsyTable
    """
    records = [{str(k): v for k, v in r.items()} for r in biopsies.to_dict("records")]
    names = [str(c) for c in biopsies.columns]
    filled = {name for name in names if any(as_text(r.get(name)) for r in records)}
    columns = _columns(names, filled, markers)
    remarks = [_remarks(record, names, markers) for record in records]
    shared = Counter(text for row in remarks for text in set(row))
    notes = tuple(t for t, n in sorted(shared.items()) if n == len(records) > 1)
    rows = tuple(
        BiopsyRow(tuple(_cell(record, c) for c in columns), "; ".join(t for t in row if t not in notes))
        for record, row in zip(records, remarks, strict=True)
    )
    return BiopsyTable(
        _groups([_group(column, markers) for column in columns]),
        tuple(_heading(c, markers) for c in columns),
        tuple(c not in KEYS for c in columns),
        rows,
        notes,
    )
