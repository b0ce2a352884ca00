"""A finished run as later commands take it up: its slides, its study, its record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from histoquant.errors import StoreError, UsageError
from histoquant.run.first_look import require_finished
from histoquant.run.study_place import study_used
from histoquant.store.atomic import write_bytes, writing
from histoquant.store.csv_table import csv_bytes
from histoquant.store.parquet_table import parquet_bytes, read_parquet
from histoquant.study.study_file import Study, load_study

FOLDER = "study"


@dataclass(frozen=True)
class FinishedRun:
    """What a study starts from.

    Attributes
    ----------
    root : Path
    slides : DataFrame
        ``slides.parquet``.
    study : Study or None
    run : Mapping
        ``run.json``.
    """

    root: Path
    slides: pd.DataFrame
    study: Study | None
    run: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """Seed of permutations and resampling."""
        return self.study.design.analysis.seed if self.study is not None else 1


def open_run(out: Path, study_file: Path | None) -> FinishedRun:
    """Open a finished run with its study.

    Parameters
    ----------
    out : Path
    study_file : Path or None
        ``study.toml`` or its folder; None takes the one the run used, if it still lies there.

    Raises
    ------
    StoreError
        If no run has finished there.
    UsageError
        If the study file named is not there.
    """
    require_finished(out)
    try:
        slides = read_parquet(out / "slides.parquet")
        run = json.loads((out / "run.json").read_text())
    except (OSError, ValueError):
        raise StoreError(
            f"{out}: slides.parquet or run.json cannot be read. Run the slides into it again; "
            "what is whole is kept."
        ) from None
    if study_file is not None:
        study = load_study(study_file) if study_file.exists() else None
        if study is None:
            raise UsageError(f"--study {study_file}: not there. Name a study.toml.")
        return FinishedRun(out, slides, study, run)
    # an unblinded copy carries the log of the blind run, whose study file knows masks only
    used = None if run.get("unblinding") else study_used(out)
    return FinishedRun(out, slides, load_study(used) if used is not None else None, run)


def study_folder(out: Path) -> Path:
    """Return the folder of a study's tables, made when missing."""
    folder = out / FOLDER
    with writing(folder):
        folder.mkdir(exist_ok=True)
    return folder


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """Write each table as CSV and as Parquet; returns SHA-256 by file name."""
    digests = {}
    for name, table in tables.items():
        digests[f"{name}.csv"] = write_bytes(folder / f"{name}.csv", csv_bytes(table))
        digests[f"{name}.parquet"] = write_bytes(folder / f"{name}.parquet", parquet_bytes(table))
    return digests
