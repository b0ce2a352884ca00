"""Readers beside the machine, and the frozen reference of the index: both from a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from histoquant.errors import StudyError
from histoquant.report.study_report import write_study_report
from histoquant.run.finished import open_run, study_folder, write_tables
from histoquant.store.atomic import file_sha256
from histoquant.store.lock import OutputLock
from histoquant.store.log import RunLog
from histoquant.store.verify import LOG, seal_study
from histoquant.study.agreement import agreement_tables
from histoquant.study.biopsy_table import biopsies
from histoquant.study.layout import READER_TABLES, shaped
from histoquant.study.reader_file import read_readings
from histoquant.study.reference import MIN_REFERENCE, Reference
from histoquant.study.timeline import timeline


def write_agreement(out: Path, reader_files: Sequence[Path], study_file: Path | None) -> pd.DataFrame:
    """Compare readers with the machine and each other, and put the tables of agreement into the report.

    Returns
    -------
    DataFrame
        ``agreement.csv``.

    Raises
    ------
    StudyError
        Names file, row, column and cure.
    """
    finished = open_run(out, study_file)
    pooled = biopsies(finished.slides, finished.study)
    found = read_readings(reader_files, finished.slides, pooled)
    tables = agreement_tables(found, pooled, timeline(pooled, finished.study))
    done = {name: shaped(name, tables[name]) for name in READER_TABLES}
    with OutputLock(out):
        write_tables(study_folder(out), done)
        log = RunLog(out / LOG)
        log.write("agreement_written", readers={path.name: file_sha256(path) for path in reader_files})
        log.close()
        write_study_report(out)
        seal_study(out)
    return done["agreement"]


def write_reference(
    out: Path, target: Path, baseline: str | None, study_file: Path | None, scanner: str | None
) -> tuple[Reference, list[str]]:
    """Freeze the baseline biopsies of a finished run as the reference of the inflammation index.

    Returns
    -------
    reference : Reference
    followed : list of str
        Later timepoints that the run holds too: a reference should be frozen before they are opened.

    Raises
    ------
    StudyError
        If fewer than 10 baseline biopsies have all components, or the file exists.
    """
    finished = open_run(out, study_file)
    pooled = biopsies(finished.slides, finished.study)
    visits = timeline(pooled, finished.study)
    label = baseline or (visits[0].label if visits else "")
    working_mpp = finished.run.get("parameters", {}).get("working_mpp_um")
    reference = Reference.from_biopsies(pooled, label, scanner=scanner, working_mpp_um=working_mpp)
    if reference.n < MIN_REFERENCE:
        raise StudyError(
            f"{out}: {reference.n} biopsies at {label!r} have CD68 and CD20; a reference needs "
            f"{MIN_REFERENCE}. Without one densities are reported and no index."
        )
    reference.save(target)
    seen = set(pooled["timepoint"])
    return reference, [visit.label for visit in visits if visit.label in seen and visit.label != label]
