"""Sentences and tables of the study sections; nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from histoquant.report.figures.common import (
    is_true,
    loss_words,
    measure_words,
    number_of,
    records,
    timepoint_words,
)
from histoquant.report.figures.forest import estimate_text
from histoquant.report.numbers import as_number, as_text, number_text

Row = dict[str, Any]
Tables = dict[str, pd.DataFrame]
_SMALLEST_P: Final = 0.001
# what a unit in changes.csv is called behind a number
_DIFFERENCES: Final = {"percentage points": "percentage points", "points": "points"}


@dataclass(frozen=True)
class Grid:
    """A table as the page shows it.

    Attributes
    ----------
    caption : str
    head : tuple of str
    numeric : tuple of bool
        Which columns hold numbers.
    rows : tuple of tuple of str
        An empty cell was not measured.
    """

    caption: str
    head: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


Cell = Callable[[Row], str]


def grid(caption: str, columns: Sequence[tuple[str, bool, Cell]], rows: Sequence[Row]) -> Grid | None:
    """Lay out rows; columns that are empty throughout are left out, and no rows are no table."""
    if not rows:
        return None
    cells = [[cell(row) for row in rows] for _, _, cell in columns]
    kept = [number for number, column in enumerate(cells) if any(column)]
    return Grid(
        caption,
        tuple(columns[number][0] for number in kept),
        tuple(columns[number][1] for number in kept),
        tuple(tuple(cells[number][row] for number in kept) for row in range(len(rows))),
    )


def p_text(value: Any) -> str:
    """Return a p value: ``0.034``, ``< 0.001``; empty where there is none."""
    p = as_number(value)
    if p is None:
        return ""
    if p < _SMALLEST_P:
        return "<\u00a00.001"
    return f"{p:.2f}" if p >= 0.095 else f"{p:.3f}"


def text_of(name: str) -> Cell:
    """Cell of a text column."""
    return lambda row: as_text(row.get(name))


def count_of(name: str) -> Cell:
    """Cell of a number column."""
    return lambda row: number_text(row.get(name)) or ""


def p_of(name: str) -> Cell:
    """Cell of a p value."""
    return lambda row: p_text(row.get(name))


def reason_of(row: Row) -> str:
    """Why something in the row is empty, in words."""
    return loss_words(as_text(row.get("reason")))


def interval_of(*names: str) -> Cell:
    """Cell of an estimate with its limits."""

    def cell(row: Row) -> str:
        whole = number_of(row, *names)
        if whole is not None:
            return estimate_text(*whole)
        alone = as_number(row.get(names[0]))
        return estimate_text(alone, None, None) if alone is not None else ""

    return cell


def measure_of(row: Row) -> str:
    """Measure of a row in words."""
    return measure_words(as_text(row.get("measure")), as_text(row.get("marker")))


def timepoint_of(words: dict[str, str]) -> Cell:
    """Timepoint of a row in words."""
    return lambda row: words.get(as_text(row.get("timepoint")), as_text(row.get("timepoint")))


def scaled(ratio: tuple[str, ...], difference: tuple[str, ...]) -> Cell:
    """Cell of an estimate that is a ratio on the log scale and a difference on the other."""

    def cell(row: Row) -> str:
        log = as_text(row.get("scale")) == "log"
        text = interval_of(*(ratio if log else difference))(row)
        return f"×{text}" if log and text else text

    return cell


def last_timepoint(tables: Tables) -> str:
    """Label of the latest timepoint that a change is told for."""
    labels = {as_text(row["timepoint"]) for row in records(tables.get("changes"))}
    ordered = [label for label in timepoint_words(tables) if label in labels]
    return ordered[-1] if ordered else ""


@dataclass(frozen=True)
class Finding:
    """One sentence of the summary.

    Attributes
    ----------
    lead : str
        What changed, and by how much.
    rest : str
        Patients and tests, or why there is no estimate.
    primary : bool
    """

    lead: str
    rest: str
    primary: bool


def findings(tables: Tables) -> list[Finding]:
    """Change of the main measures and the index at the last timepoint, the primary comparison first."""
    words, last = timepoint_words(tables), last_timepoint(tables)
    rows = [
        row
        for row in records(tables.get("changes"))
        if is_true(row["primary"])
        or (as_text(row["timepoint"]) == last and as_text(row["role"]) in ("main", "index"))
    ]
    rows.sort(key=lambda row: not is_true(row["primary"]))
    return [_finding(row, words) for row in rows]


def _counted(count: Any, unit: str) -> str:
    """``1 patient``, ``3 tracts``."""
    return f"{number_text(count)} {unit if as_number(count) != 1 else unit.removesuffix('s')}"


def _finding(row: Row, words: dict[str, str]) -> Finding:
    baseline = words.get(as_text(row["baseline"]), "baseline")
    what = f"{measure_of(row)}, {timepoint_of(words)(row)} against {baseline}"
    estimate = scaled(("hl_ratio", "hl_ratio_low", "hl_ratio_high"), ("hl", "hl_low", "hl_high"))(row)
    if not estimate:
        return Finding(f"{what}: no estimate", reason_of(row), is_true(row["primary"]))
    unit = "" if as_text(row["scale"]) == "log" else f" {_DIFFERENCES.get(as_text(row['unit']), '')}"
    said = [", ".join(_counted(row[unit], unit) for unit in ("patients", "tracts"))]
    if p_text(row["wilcoxon_p"]):
        p = p_text(row["wilcoxon_p"])
        said.append(f"exact Wilcoxon p {p if p.startswith('<') else f'= {p}'}")
    if p_text(row["p_holm"]):
        p = p_text(row["p_holm"])
        said.append(f"over the markers (Holm) {p}")
    if reason_of(row):
        said.append(reason_of(row))
    return Finding(f"{what}: {estimate}{unit}", "; ".join(said), is_true(row["primary"]))
