"""A reader's session in a results folder: begin or go on, and what all readings come to."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histoquant.errors import StoreError, UsageError
from histoquant.review.corrections import AGGREGATE_COLUMNS, COLUMNS, SlideTables, reviewed
from histoquant.review.events import CHECKLIST, FieldReview, review_of
from histoquant.review.log_file import SUFFIX, Item, ReviewLog
from histoquant.review.queue import draw_fields
from histoquant.review.tissue_grid import TissueGrid, tissue_grid
from histoquant.store.atomic import file_sha256, write_bytes, writing
from histoquant.store.csv_table import csv_bytes
from histoquant.store.parquet_table import read_parquet
from histoquant.store.results import Results, load_results
from histoquant.study.rules import ID_RULE, is_id

FOLDER = "review"
FIELD_UM = 250.0


@dataclass(frozen=True)
class QueueRules:
    """How a reader's queue is drawn.

    Attributes
    ----------
    fields : int
        Fields in all; 0 shows each slide whole.
    field_um : float
        Edge of a field; 250 um is a tenth of the area of a 20x field of view.
    seed : int or None
        None draws one by chance; it is kept in the log.
    """

    fields: int = 20
    field_um: float = FIELD_UM
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.fields < 0 or not 20 <= self.field_um <= 5000:
            raise UsageError("a review needs 0 fields (whole slides) or more, of an edge of 20 to 5000 um")


def open_session(root: Path, reader: str, rules: QueueRules | None = None) -> ReviewLog:
    """Go on with a reader's log, or begin one.

    Parameters
    ----------
    root : Path
        Results folder of a finished run.
    reader : str
        Names the log; readers do not see each other's.
    rules : QueueRules, optional
        For a new log only: a queue, once drawn, stays.

    Raises
    ------
    UsageError, StoreError
        If the name is no id, no slide can be shown, or the tables are not those the queue was drawn from.
    """
    if not is_id(reader):
        raise UsageError(f"--reader {reader}: is no name for a file; use {ID_RULE}.")
    path = root / FOLDER / f"{reader}{SUFFIX}"
    results = load_results(root)
    digest = file_sha256(root / "slides.csv")
    if path.is_file():
        log = ReviewLog(path)
        if log.about.get("slides_sha256") != digest:
            log.close()
            raise StoreError(
                f"{path.name}: begun on other results: slides.csv has changed since. "
                "Review them under another --reader name; this log stays."
            )
        return log
    rules = rules or QueueRules()
    seed = secrets.randbits(63) if rules.seed is None else rules.seed
    tissue = {slide_id: slide_tissue(results, slide_id) for slide_id in _done(results)}
    if not tissue:
        raise StoreError(f"{root}: no slide was quantified, so there is nothing to review.")
    items = draw_fields(tissue, rules.fields, rules.field_um, np.random.default_rng(seed))
    with writing(path.parent):
        path.parent.mkdir(exist_ok=True)
    about = {"seed": str(seed), "fields": str(rules.fields), "field_um": str(rules.field_um)}
    return ReviewLog.create(path, reader, items, {**about, "slides_sha256": digest})


def slide_tissue(results: Results, slide_id: str) -> TissueGrid:
    """Quantifiable tissue of a finished slide."""
    folder = results.folder / "slides" / slide_id
    plan: Mapping[str, Any] = json.loads((folder / "plan.json").read_text("utf-8"))
    mpp_xy = (float(plan["mpp_xy"][0]), float(plan["mpp_xy"][1]))
    size_um = (plan["size_px"][0] * mpp_xy[0], plan["size_px"][1] * mpp_xy[1])
    return tissue_grid(read_parquet(folder / "regions.parquet"), mpp_xy, size_um)


def slide_tables(results: Results, slide_id: str) -> SlideTables:
    """Tables of a finished slide that a review can change."""
    found = results.slides[results.slides["slide_id"] == slide_id].iloc[0]
    row = {str(name): value for name, value in found.items()}
    counts_vessels = "vessels" in row and not pd.isna(row["vessels"])
    vessels = results.vessels(slide_id) if counts_vessels else None
    return SlideTables(row, results.cells(slide_id), vessels, slide_tissue(results, slide_id))


def write_reviewed(root: Path) -> Path | None:
    """Write ``review/slides_reviewed.csv`` and ``review/readings.csv`` from all readers' logs.

    Parameters
    ----------
    root : Path

    Returns
    -------
    Path or None
        The first file; None where nobody has reviewed anything.

    Notes
    -----
    One row per reader and slide reviewed, the machine's columns first. Readings, for
    ``histoquant agreement``, are of locked logs only, so that no reader sees another's before his own is
    signed. Raises StoreError where a log is not as it was written.
    """
    results = load_results(root)
    rows: list[dict[str, Any]] = []
    readings: list[dict[str, Any]] = []
    for path in sorted((root / FOLDER).glob(f"*{SUFFIX}")):
        with ReviewLog(path) as log:
            broken = log.first_broken_event()
            if broken is not None:
                raise StoreError(
                    f"{path}: event {broken} is not as it was written. Restore the file from a copy."
                )
            found = _rows(results, log)
            rows += found
            if log.locked:
                readings += _readings(log, found)
    if not rows:
        return None
    named = ("reader", "locked", "slide_id", "marker", "positive", "positive_per_mm2", "vessels_per_mm2")
    columns = [name for name in (*named, *COLUMNS) if name in rows[0] or name in results.slides.columns]
    target = root / FOLDER / "slides_reviewed.csv"
    write_bytes(target, csv_bytes(pd.DataFrame(rows).reindex(columns=columns)))
    kinds = ["reader", "slide", "measure", "value", "read"]
    write_bytes(root / FOLDER / "readings.csv", csv_bytes(pd.DataFrame(readings, columns=kinds)))
    return target


_ANALYSED = {
    "tissue_mm2": "reviewed_tissue_mm2",
    "nuclei": "reviewed_nuclei",
    "positive": "reviewed_positive",
    "positive_percent": "reviewed_positive_percent",
}
"""Columns of ``slides.csv`` that a reading replaces; densities go where the marker counts them."""


def with_reading(root: Path, slides: pd.DataFrame, reader: str) -> tuple[pd.DataFrame, str]:
    """Slides with one reader's signed corrections in place of the machine's numbers.

    Parameters
    ----------
    root : Path
        Results folder.
    slides : pandas.DataFrame
        ``slides.parquet``.
    reader : str
        Whose log; it must be locked, so that numbers do not change under a study.

    Returns
    -------
    slides : pandas.DataFrame
        Slides the reader saw nothing of stay as they are; those he did carry the flag ``REVIEWED``, and
        ``DIFFUSE_NOT_REVIEWED`` where a density outside aggregates stays the machine's: cells were counted
        by area.
        ``machine_*`` columns hold what was replaced.
    sha256 : str
        Of the log.

    Raises
    ------
    UsageError
        If the reader has no log, or has not signed it.
    StoreError
        If the log is not as it was written.
    """
    results = load_results(root)
    with signed_log(root, reader) as log:
        rows = {str(row["slide_id"]): row for row in _rows(results, log)}
    table = slides.copy()
    for name in (
        *_ANALYSED,
        *AGGREGATE_COLUMNS,
        "vessels",
        *(f"{what}_per_mm2" for what in ("positive", "vessels")),
    ):
        if name in table:
            table[f"machine_{name}"] = table[name]
    for index, slide_id in table["slide_id"].items():
        if slide_id in rows:
            for name, value in _replaced(rows[str(slide_id)]).items():
                table.loc[index, name] = value
    return table, file_sha256(root / FOLDER / f"{reader}{SUFFIX}")


def signed_log(root: Path, reader: str) -> ReviewLog:
    """Open a reader's log that is whole and locked; see `with_reading` for what is raised."""
    path = root / FOLDER / f"{reader}{SUFFIX}"
    if not is_id(reader) or not path.is_file():
        known = ", ".join(sorted(one.stem for one in (root / FOLDER).glob(f"*{SUFFIX}"))) or "nobody"
        raise UsageError(f"--reviewed {reader}: no such reader in {root / FOLDER}. Known: {known}.")
    log = ReviewLog(path)
    if (broken := log.first_broken_event()) is not None:
        log.close()
        raise StoreError(f"{path}: event {broken} is not as it was written. Restore the file from a copy.")
    if not log.locked:
        log.close()
        raise UsageError(
            f"--reviewed {reader}: the reading is not signed yet. "
            f"Sign it with `histoquant review {root} --reader {reader} --lock`."
        )
    return log


def _replaced(row: Mapping[str, Any]) -> dict[str, Any]:
    """Analysed columns of one slide and what a reading makes of them."""
    new = {name: row[by] for name, by in _ANALYSED.items() if row[by] is not None}
    density = {end: row[f"reviewed_per_mm2{end}"] for end in ("", "_low", "_high")}
    if row["reviewed_positive"] is not None:
        new |= {f"positive_per_mm2{end}": value for end, value in density.items()}
    elif density[""] is not None:
        new |= {f"vessels_per_mm2{end}": value for end, value in density.items()}
        new["vessels"] = round(density[""] * row["reviewed_tissue_mm2"])
    flags = [flag for flag in str(row.get("flags") or "").split(";") if flag]
    flags.append("REVIEWED")
    if row["reviewed_aggregates"] is not None:
        new |= {name: row[f"reviewed_{name}"] for name in AGGREGATE_COLUMNS}
    elif pd.notna(row.get("diffuse_per_mm2")):  # cells counted by area lie in no one aggregate
        flags.append("DIFFUSE_NOT_REVIEWED")
    return new | {"flags": ";".join(flags)}


def _done(results: Results) -> list[str]:
    table = results.slides
    return sorted(str(name) for name in table.loc[table["status"].str.startswith("OK"), "slide_id"])


def by_slide(log: ReviewLog) -> dict[str, list[tuple[Item, FieldReview]]]:
    """Return what was said of the fields of each slide, fields in the order of the queue."""
    said = review_of(log.events())
    found: dict[str, list[tuple[Item, FieldReview]]] = {}
    for item in log.items:
        if item.item in said:
            found.setdefault(item.slide_id, []).append((item, said[item.item]))
    return dict(sorted(found.items()))


def _rows(results: Results, log: ReviewLog) -> list[dict[str, Any]]:
    rows = []
    for slide_id, reviews in by_slide(log).items():
        tables = slide_tables(results, slide_id)
        rows.append({**tables.row, "reader": log.reader, "locked": log.locked, **reviewed(tables, reviews)})
    return rows


def _readings(log: ReviewLog, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Grades of the checklist, and densities where slides were shown whole."""
    found = []
    for slide_id, reviews in by_slide(log).items():
        for name in CHECKLIST:
            given = [review.scores[name] for _, review in reviews if name in review.scores]
            if given:
                # a slide is graded by its worst field, as a reader of the whole slide would
                found.append((slide_id, f"grade_{name}" if name == "epithelialisation" else name, max(given)))
    if log.about.get("fields") == "0":
        for row in rows:
            if row["reviewed_per_mm2"] is not None:
                vessels = row["reviewed_positive"] is None
                measure = "vessels_per_mm2" if vessels else "positive_per_mm2"
                found.append((row["slide_id"], measure, row["reviewed_per_mm2"]))
    return [
        {"reader": log.reader, "slide": slide, "measure": measure, "value": value, "read": 1}
        for slide, measure, value in found
    ]
