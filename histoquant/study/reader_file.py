"""Readings of pathologists: the reader file, each reading beside the machine of the same place."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from histoquant.errors import StudyError
from histoquant.study.csv_cells import Line, id_faults, read_lines, refuse, repeat_faults
from histoquant.study.patterns import marker_key, slide_stem
from histoquant.study.rules import did_you_mean

MACHINE = "machine"
GRADES = (
    "inflammation_grade",
    *("nancy", "granulation_tissue", "acute_inflammation", "chronic_inflammation", "fibrosis"),
)
"""Whole numbers from 0, compared by weighted kappa; all but the first come from readers only."""
SCORES = ("geboes", "rhi", "ghas", "phri", "ibd_dca")
"""Histology indexes that these stains cannot give: imported, compared between readers, never computed."""
LARGEST_GRADE = 20
"""No histology grade in use goes further; a slip of the keyboard does."""
# as `histoquant unblind` joins them: names of its own, and what the slide table says anyway
_SAME = {"slide_id": "slide", "reading": "read"}
_ALLOWED = ("marker", "section", "block", "original_id")
_COLUMNS = ("reader", "value", "read", "measure", "slide", "patient", "tract", "timepoint")
_SLIDE_AREA, _BIOPSY_AREA, _OUTSIDE_AREA = "tissue_mm2", "{prefix}_tissue_mm2", "{prefix}_diffuse_mm2"


@dataclass(frozen=True, slots=True)
class Subject:
    """What was read: a slide, or a biopsy where ``slide_id`` is empty."""

    patient: str
    tract: str
    timepoint: str
    slide_id: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value by one rater; ``read`` counts a reader's repeated reads."""

    subject: Subject
    measure: str
    rater: str
    read: int
    value: float


@dataclass(frozen=True)
class Readings:
    """All readings, and the machine's of the same subjects.

    Attributes
    ----------
    readings : tuple of Reading
        In file order, then the machine's.
    area_mm2 : Mapping of (Subject, str) to float
        Tissue of a subject and measure, where a density lies on one.
    """

    readings: tuple[Reading, ...]
    area_mm2: Mapping[tuple[Subject, str], float]


def scale_of(measure: str) -> str:
    """Return ``grade``, ``log`` (densities) or ``difference``."""
    if measure in GRADES or measure.startswith("grade_"):
        return "grade"
    return "log" if measure.endswith("_per_mm2") else "difference"


def is_imported(measure: str) -> bool:
    """Whether a measure comes from readers only."""
    return measure in SCORES or (scale_of(measure) == "grade" and measure != GRADES[0])


def read_readings(paths: Sequence[Path], slides: pd.DataFrame, biopsies: pd.DataFrame) -> Readings:
    """Read reader files and find the machine's value of everything read.

    Parameters
    ----------
    paths : sequence of Path
        Each a CSV with ``value`` and either ``slide`` (slide_id or file name) or ``patient``, ``tract``,
        ``timepoint``; ``measure`` names a column of ``slides.csv`` or ``biopsies.csv``, or a score or grade
        that only readers give; without it a slide's main density. ``read`` is 1, 2, ... of the same reader,
        ``reader`` the file's name where there is no such column. `histoquant unblind` writes such files.
    slides, biopsies : DataFrame
        Of a finished run.

    Raises
    ------
    StudyError
        Names row, column and cure.
    """
    known = _Known(slides, biopsies)
    readings = [reading for path in paths for reading in _file_readings(path, known)]
    wanted = dict.fromkeys((reading.subject, reading.measure) for reading in readings)
    machine = [
        Reading(subject, measure, MACHINE, 1, value)
        for subject, measure in wanted
        if not is_imported(measure) and math.isfinite(value := known.value(subject, measure))
    ]
    areas = {(subject, measure): known.area_mm2(subject, measure) for subject, measure in wanted}
    return Readings((*readings, *machine), areas)


def _renamed(line: Line, path: Path) -> Line:
    said = {_SAME.get(name, name): text for name, text in line.said.items()}
    return Line(line.number, {"reader": re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem), **said})


def _file_readings(path: Path, known: _Known) -> list[Reading]:
    columns, numbers = (*_COLUMNS, *_SAME, *_ALLOWED), ("value", "read")
    lines, faults = read_lines(path, columns, ("value",), kind="reader file", numbers=numbers)
    lines = [_renamed(line, path) for line in lines]
    faults += repeat_faults(lines, ("slide", "patient", "tract", "timepoint", "reader", "read", "measure"))
    readings: list[Reading] = []
    for line in lines:
        reading, wrong = _reading(line, known)
        faults += wrong
        if reading is not None:
            readings.append(reading)
    refuse(path.name, faults)
    if not readings:
        raise StudyError(f"{path.name}: no readings. Add one row per reading.")
    return readings


class _Known:
    """The run's slides and biopsies by what a reader may call them."""

    def __init__(self, slides: pd.DataFrame, biopsies: pd.DataFrame) -> None:
        self.slides: dict[str, dict[Any, Any]] = {row["slide_id"]: row for row in slides.to_dict("records")}
        self.ids = {name.casefold(): name for name in self.slides}
        for name, row in self.slides.items():
            if isinstance(row.get("file"), str):
                file = Path(row["file"])
                self.ids.setdefault(file.name.casefold(), name)
                self.ids.setdefault(slide_stem(file).casefold(), name)
        self.biopsies: dict[tuple[str, str, str], dict[Any, Any]] = {
            (row["patient"], _text(row["tract"]), row["timepoint"]): row
            for row in biopsies.to_dict("records")
        }
        numeric = [*slides.select_dtypes("number").columns, *biopsies.select_dtypes("number").columns]
        self.measures = (*dict.fromkeys(str(name) for name in numeric), *GRADES, *SCORES)

    def row(self, subject: Subject) -> dict[Any, Any]:
        if subject.slide_id:
            return self.slides[subject.slide_id]
        return self.biopsies[subject.patient, subject.tract, subject.timepoint]

    def value(self, subject: Subject, measure: str) -> float:
        value = self.row(subject).get(measure)
        return math.nan if value is None or pd.isna(value) else float(value)

    def area_mm2(self, subject: Subject, measure: str) -> float:
        """Tissue that a density lies on; CD20 cells outside aggregates lie on what is outside."""
        if subject.slide_id:
            area = self.value(subject, _SLIDE_AREA)
            if measure.startswith("diffuse_"):
                area *= 1 - self.value(subject, "aggregate_area_percent") / 100
        else:
            prefix, _, rest = measure.partition("_")
            outside = rest.startswith("diffuse_")
            area = self.value(subject, (_OUTSIDE_AREA if outside else _BIOPSY_AREA).format(prefix=prefix))
        return area if area > 0 else math.nan


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _reading(line: Line, known: _Known) -> tuple[Reading | None, list[str]]:
    faults = id_faults(line, ("reader", "patient", "tract", "timepoint"), ("reader", "value"))
    subject, wrong = _subject(line, known)
    faults += wrong
    measure, wrong = _measure(line, subject, known)
    faults += wrong
    value, read = _number(line.text("value")), _number(line.text("read") or "1")
    if line.text("value") is not None and (math.isnan(value) or value < 0):
        faults.append(line.fault("value", "is not a number of 0 or more; write it like 12.5"))
    elif scale_of(measure) == "grade" and (value % 1 or value > LARGEST_GRADE):
        faults.append(line.fault("value", f"is not a whole grade of 0 to {LARGEST_GRADE}"))
    if not (read >= 1 and read % 1 == 0):
        faults.append(line.fault("read", "is not 1, 2, ...; count this reader's reads of the slide"))
    if (line.text("reader") or "").casefold() == MACHINE:
        faults.append(line.fault("reader", "is histoquant's own name here; give the reader another"))
    if faults or subject is None:
        return None, faults
    return Reading(subject, measure, line.said["reader"], int(read), value), []


def _number(text: str | None) -> float:
    try:
        value = float(text) if text is not None and "_" not in text else math.nan
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _subject(line: Line, known: _Known) -> tuple[Subject | None, list[str]]:
    slide = line.text("slide")
    if slide is not None:
        name = known.ids.get(slide.casefold()) or known.ids.get(slide_stem(Path(slide)).casefold())
        if name is None:
            cure = did_you_mean(slide, known.slides) or " See slide_id in slides.csv."
            return None, [line.fault("slide", f"is not a slide of this run.{cure}")]
        row = known.slides[name]
        # a slide of nobody known is a cluster of its own
        patient = _text(row.get("patient")) or name
        return Subject(patient, _text(row.get("tract")), _text(row.get("timepoint")), name), []
    key = (line.said.get("patient", ""), line.said.get("tract", ""), line.said.get("timepoint", ""))
    if key not in known.biopsies:
        named = " ".join(part for part in key if part) or "nothing"
        place = f"row {line.number}: {named} is no biopsy of this run"
        return None, [f"{place}; fill in slide, or patient, tract and timepoint as in biopsies.csv"]
    return Subject(*key), []


def _measure(line: Line, subject: Subject | None, known: _Known) -> tuple[str, list[str]]:
    said = line.text("measure")
    if said is not None:
        name = said.lower()
        if name in known.measures or name.startswith("grade_"):
            return name, []
        cure = did_you_mean(name, known.measures) or " Use a column of slides.csv or biopsies.csv."
        return name, [line.fault("measure", f"is not measured.{cure}")]
    if subject is None or not subject.slide_id:
        return "", [] if subject is None else [line.fault("measure", "is empty; biopsies have several")]
    marker = marker_key(_text(known.slides[subject.slide_id].get("marker")))
    return ("vessels_per_mm2" if marker == "cd31" else "positive_per_mm2"), []
