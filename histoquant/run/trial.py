"""The rim of a study: reads a finished run and the study's tables, writes ``OUT/study`` and the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from histoquant._version import __version__
from histoquant.errors import UsageError
from histoquant.report.study_report import write_study_report
from histoquant.review.reviewed_bands import bands_analysed
from histoquant.review.session import with_reading
from histoquant.run.build import library_versions
from histoquant.run.finished import FinishedRun, open_run, study_folder, write_tables
from histoquant.store.atomic import file_sha256, json_bytes, write_bytes, writing
from histoquant.store.lock import OutputLock
from histoquant.store.log import RunLog
from histoquant.store.verify import LOG, seal_study
from histoquant.study.analyse import Analysis, analyse, unblinded
from histoquant.study.layout import UNBLINDED_TABLES
from histoquant.study.outcomes import Outcomes, read_outcomes
from histoquant.study.trial_tables import TrialTables

LIBRARIES = ("numpy", "pandas", "scipy", "statsmodels")
WORDING = (
    "Research use only. Changes are of biopsies from patients under treatment without a randomised "
    "comparison: healing, regression to the mean, the biopsy's own wound and treatment cannot be told apart. "
    "Associations with outcomes or arms are associations."
)


def write_study(
    out: Path, study_file: Path | None, outcomes_file: Path | None, reader: str | None = None
) -> tuple[Analysis, bool]:
    """Analyse a finished run, write its tables, and put them into the report.

    Parameters
    ----------
    out : Path
    study_file : Path or None
    outcomes_file : Path or None
        Arms and outcomes; None writes the blind tables only and removes those of an earlier unblinded study.
    reader : str, optional
        Whose signed review corrects the slides before they are compared; None compares the machine's numbers.

    Returns
    -------
    analysis : Analysis
    with_study : bool
        Whether there was a study file.

    Raises
    ------
    StudyError
        Names file, row, column and cure.
    UsageError
        If the slides are still masked.
    """
    finished = open_run(out, study_file)
    _refuse_masked(finished)
    finished, reading = _corrected(finished, reader)
    tables = finished.study.trial_tables() if finished.study is not None else TrialTables()
    # outcomes are opened when everything blind is finished
    analysis = analyse(finished.slides, finished.study, tables)
    with OutputLock(out):
        folder = study_folder(out)
        # older tables with outcomes would not belong to these
        _remove_older(folder)
        own = _own(finished, reader) if reader is not None else {}
        written = write_tables(folder, {**analysis.tables, **own})
        record = {**_provenance(finished, analysis), "reviewed": reading, "written": written}
        write_bytes(folder / "analysis.json", json_bytes(record))
        log = RunLog(out / LOG)
        try:
            log.write("study_written", analysis_sha256=file_sha256(folder / "analysis.json"))
            if outcomes_file is not None:
                _join(outcomes_file, finished, (analysis, tables), log)
        finally:
            # wrong outcomes leave a whole blind study
            log.close()
            write_study_report(out)
            seal_study(out)
    return analysis, finished.study is not None


def _corrected(finished: FinishedRun, reader: str | None) -> tuple[FinishedRun, dict[str, str] | None]:
    """The run with a reader's corrections, and whose and which they are."""
    if reader is None:
        return finished, None
    slides, digest = with_reading(finished.root, finished.slides, reader)
    return replace(finished, slides=slides), {"reader": reader, "log_sha256": digest}


def _own(finished: FinishedRun, reader: str) -> dict[str, pd.DataFrame]:
    """Tables that only a study of a reader's corrections has."""
    bands = bands_analysed(finished.root, finished.slides, reader)
    return {"slides_analysed": finished.slides, "bands_analysed": bands}


def _refuse_masked(finished: FinishedRun) -> None:
    if finished.run.get("blinding") and not finished.run.get("unblinding"):
        raise UsageError(
            f"{finished.root}: its slides are masked, so nothing can be compared. Run `histoquant unblind` "
            "and study the copy that it writes."
        )


def _join(
    outcomes_file: Path, finished: FinishedRun, blind: tuple[Analysis, TrialTables], log: RunLog
) -> None:
    """Join the outcomes: the log has it before any row is joined, even if the disk then fails."""
    folder, outcomes = study_folder(finished.root), read_outcomes(outcomes_file)
    log.write("outcomes_joined", file=outcomes_file.name, sha256=file_sha256(outcomes_file))
    written = write_tables(folder, unblinded(blind[0], outcomes, blind[1], finished.seed))
    record = {**_unblinding(outcomes_file, outcomes), "written": written}
    write_bytes(folder / "unblinded.json", json_bytes(record))


def _remove_older(folder: Path) -> None:
    names = [
        f"{name}{ending}"
        for name in (*UNBLINDED_TABLES, "slides_analysed", "bands_analysed")
        for ending in (".csv", ".parquet")
    ]
    for name in [*names, "unblinded.json"]:
        with writing(folder / name):
            (folder / name).unlink(missing_ok=True)


def _provenance(finished: FinishedRun, analysis: Analysis) -> dict[str, Any]:
    study = finished.study
    files = {"slides.parquet": finished.root / "slides.parquet"}
    if study is not None:
        files["study.toml"] = study.path
        named = study.design.tables.model_dump()
        files |= {f"[tables] {key}": study.folder / text for key, text in named.items() if text is not None}
    return {
        "version": __version__,
        "libraries": library_versions(LIBRARIES),
        "study": study.name if study is not None else None,
        "timepoints": [
            {"label": visit.label, "month": None if visit.month != visit.month else visit.month}
            for visit in analysis.visits
        ],
        "baseline": analysis.visits[0].label,
        "primary": {"measure": analysis.primary.measure, "timepoint": analysis.primary.timepoint},
        "seed": finished.seed,
        "inflammation": study.inflammation.model_dump(mode="json") if study is not None else None,
        "reference_sha256": study.reference.sha256 if study is not None and study.reference else None,
        "read": {name: file_sha256(path) for name, path in sorted(files.items())},
        "wording": WORDING,
    }


def _unblinding(path: Path, outcomes: Outcomes) -> dict[str, Any]:
    return {
        "outcomes": path.name,
        "sha256": file_sha256(path),
        "patients": len(outcomes.patients),
        "arms": list(outcomes.arms),
        "reference_arm": outcomes.arms[0] if outcomes.arms else None,
        "response_derived_from_tracts": sorted(outcomes.derived),
        "wording": WORDING,
    }
