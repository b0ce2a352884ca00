"""Patients, tracts and missing biopsies: small tables that say who took part and why tissue is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from histoquant.study.csv_cells import Line, id_faults, read_lines, refuse, repeat_faults

MISSING_REASONS = (
    "closed_no_tissue",
    "withdrew",
    "insufficient",
    "artefact",
    "stain_failed",
    "not_done",
)
NOT_RECORDED = "not_recorded"
_YES_NO = {
    "yes": True,
    "y": True,
    "true": True,
    "1": True,
    "no": False,
    "n": False,
    "false": False,
    "0": False,
}


@dataclass(frozen=True, slots=True)
class PatientRow:
    """An enrolled patient; ``completed`` is None where it is not recorded."""

    patient: str
    completed: bool | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class TractRow:
    """A tract under treatment."""

    patient: str
    tract: str
    site: str | None


@dataclass(frozen=True, slots=True)
class MissingRow:
    """A planned biopsy that is not there; without a tract it holds for all tracts of the patient."""

    patient: str
    tract: str | None
    timepoint: str
    reason: str


@dataclass(frozen=True, slots=True)
class TrialTables:
    """What the tables of a study say; empty where it names none.

    Attributes
    ----------
    patients : tuple of PatientRow
    tracts : tuple of TractRow
    missing : tuple of MissingRow
    """

    patients: tuple[PatientRow, ...] = ()
    tracts: tuple[TractRow, ...] = ()
    missing: tuple[MissingRow, ...] = ()

    def why_missing(self, patient: str, tract: str, timepoint: str) -> str:
        """Return the reason code of a biopsy that is not there."""
        for row in self.missing:
            if (row.patient, row.timepoint) == (patient, timepoint) and row.tract in (None, tract):
                return row.reason
        return NOT_RECORDED


def yes_no(text: str | None) -> bool | None:
    """Read yes or no in the usual spellings; None for anything else."""
    return _YES_NO.get(text.lower()) if text is not None else None


def read_patients(path: Path) -> tuple[PatientRow, ...]:
    """Read the patients table: patient, completed (yes or no), reason."""

    def row(line: Line) -> tuple[PatientRow, list[str]]:
        faults = id_faults(line, ("patient",), ("patient",))
        said = line.text("completed")
        if said is not None and yes_no(said) is None:
            faults.append(line.fault("completed", "is neither yes nor no; write one, or leave it empty"))
        return PatientRow(line.said["patient"], yes_no(said), line.text("reason")), faults

    columns = ("patient", "completed", "reason")
    return _read(path, columns, ("patient",), ("patient",), "patients table", row)


def read_tracts(path: Path) -> tuple[TractRow, ...]:
    """Read the tracts table: patient, tract, site."""

    def row(line: Line) -> tuple[TractRow, list[str]]:
        faults = id_faults(line, ("patient", "tract"), ("patient", "tract"))
        return TractRow(line.said["patient"], line.said["tract"], line.text("site")), faults

    key = ("patient", "tract")
    return _read(path, ("patient", "tract", "site"), key, key, "tracts table", row)


def read_missing(path: Path, timepoints: tuple[str, ...]) -> tuple[MissingRow, ...]:
    """Read the table of missing biopsies: patient, tract, timepoint, reason (one of `MISSING_REASONS`)."""
    labels = {label.casefold(): label for label in timepoints}

    def row(line: Line) -> tuple[MissingRow, list[str]]:
        faults = id_faults(line, ("patient", "tract", "timepoint"), ("patient", "timepoint", "reason"))
        timepoint = line.said["timepoint"]
        if labels and timepoint and timepoint.casefold() not in labels:
            declared = ", ".join(timepoints)
            faults.append(
                line.fault(
                    "timepoint",
                    f"is not declared (declared: {declared}); correct it, or add it to "
                    "[[timepoints]] in study.toml",
                )
            )
        reason = line.said["reason"].lower()
        if reason and reason not in (*MISSING_REASONS, NOT_RECORDED):
            faults.append(line.fault("reason", f"is no reason code; use one of {', '.join(MISSING_REASONS)}"))
        label = labels.get(timepoint.casefold(), timepoint)
        return MissingRow(line.said["patient"], line.text("tract"), label, reason), faults

    columns = ("patient", "tract", "timepoint", "reason")
    needed = ("patient", "timepoint", "reason")
    return _read(path, columns, needed, columns[:3], "table of missing biopsies", row)


_Row = TypeVar("_Row")


def _read(
    path: Path,
    columns: tuple[str, ...],
    required: tuple[str, ...],
    key: tuple[str, ...],
    kind: str,
    build: Callable[[Line], tuple[_Row, list[str]]],
) -> tuple[_Row, ...]:
    lines, faults = read_lines(path, columns, required, kind=kind)
    rows = []
    for line in lines:
        row, wrong = build(line)
        rows.append(row)
        faults += wrong
    refuse(path.name, [*faults, *repeat_faults(lines, key)])
    return tuple(rows)
