"""A study as the run knows it: ``study.toml`` with its slide table and its frozen reference."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from histoquant.errors import StudyError
from histoquant.study.design import InflammationSection, RunSection, StudyDesign, Timepoint, explain
from histoquant.study.reference import Reference
from histoquant.study.rules import path_below
from histoquant.study.slide_table import SlideTable, read_slide_table
from histoquant.study.trial_tables import TrialTables, read_missing, read_patients, read_tracts

STUDY_FILE = "study.toml"


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes
    ----------
    path : Path
        The study file, absolute.
    design : StudyDesign
        Its content.
    table : SlideTable or None
        The slide table, when the design names one.
    reference : Reference or None
        The frozen inflammation reference, when the design names one.
    """

    path: Path
    design: StudyDesign
    table: SlideTable | None = None
    reference: Reference | None = None

    @property
    def folder(self) -> Path:
        """The folder that holds the study file; every path in the study lies below it."""
        return self.path.parent

    @property
    def name(self) -> str:
        """Title of the study."""
        return self.design.study.name

    @property
    def run(self) -> RunSection:
        """Options of `histoquant run`."""
        return self.design.run

    @property
    def inflammation(self) -> InflammationSection:
        """How the inflammation index is formed."""
        return self.design.inflammation

    @property
    def timepoints(self) -> tuple[Timepoint, ...]:
        """Declared timepoints by month."""
        return tuple(sorted(self.design.timepoints, key=lambda point: point.month))

    @property
    def baseline(self) -> str | None:
        """Label of the earliest declared timepoint, or None."""
        return self.timepoints[0].label if self.timepoints else None

    @property
    def calibration_path(self) -> Path | None:
        """Absolute path of the calibration file that ``[run]`` names, or None."""
        return _named_file(self.path, "run", "calibration", self.run.calibration)

    def trial_tables(self) -> TrialTables:
        """Read the tables of patients, tracts and missing biopsies; empty where none is named.

        Not part of loading a study: a reason such as ``closed_no_tissue`` tells how a tract fared, and
        slides are read blind.

        Raises
        ------
        StudyError
            Names file, row, column and cure.
        """
        named = self.design.tables
        patients, tracts, missing = (
            _named_file(self.path, "tables", key, text)
            for key, text in (
                ("patients", named.patients),
                ("tracts", named.tracts),
                ("missing", named.missing),
            )
        )
        labels = tuple(point.label for point in self.timepoints)
        return TrialTables(
            read_patients(patients) if patients else (),
            read_tracts(tracts) if tracts else (),
            read_missing(missing, labels) if missing else (),
        )

    def month(self, label: str | None) -> float | None:
        """Month of a declared timepoint; None for any other."""
        return next((point.month for point in self.timepoints if point.label == label), None)


def load_study(path_or_folder: Path | str) -> Study | None:
    """Read a study file with everything it names.

    Parameters
    ----------
    path_or_folder : Path or str
        A study file, or a folder that may hold ``study.toml``.

    Returns
    -------
    Study or None
        None when a folder holds no ``study.toml``.

    Raises
    ------
    StudyError
        If the file is missing or wrong, or a file it names is; says which key or row, and the way out.
    """
    path = Path(path_or_folder)
    if path.is_dir():
        path /= STUDY_FILE
        if not path.exists():
            return None
    path = path.resolve()
    design = _read_design(path)
    table_path = _named_file(path, "slides", "table", design.slides.table)
    table = None
    if table_path is not None:
        table = read_slide_table(table_path, path.parent, [point.label for point in design.timepoints])
    reference_path = _named_file(path, "inflammation", "reference", design.inflammation.reference)
    study = Study(path, design, table, Reference.load(reference_path) if reference_path else None)
    _ = study.calibration_path
    return study


def _read_design(path: Path) -> StudyDesign:
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise StudyError(
            f"{path}: cannot be read ({error.strerror}). Check the name after --study."
        ) from None
    except UnicodeDecodeError:
        raise StudyError(f"{path.name}: not UTF-8 text. Save it as UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StudyError(f"{path.name}: not valid TOML: {error}. Text values need quotes.") from None
    try:
        return StudyDesign.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"{path.name}: {explain(error)}") from None


def _named_file(study: Path, section: str, key: str, text: str | None) -> Path | None:
    if text is None:
        return None
    where = f"{study.name}: [{section}] {key}: {text!r}"
    try:
        path = path_below(study.parent, text)
    except ValueError as error:
        raise StudyError(f"{where} {error}.") from None
    if not path.is_file():
        raise StudyError(f"{where} is not there. Put the file beside {study.name}, or correct its name.")
    return path
