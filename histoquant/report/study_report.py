"""``report.html`` with the study in it, and its figures as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from histoquant.calibration.model import ControlSlide
from histoquant.errors import StoreError
from histoquant.report.figures.common import Figure
from histoquant.report.html import write_report
from histoquant.report.study_tables import STUDY_FOLDER, read_analysis, read_study_tables
from histoquant.report.study_view import study_view
from histoquant.store.atomic import write_bytes, writing
from histoquant.store.csv_table import csv_bytes
from histoquant.store.results import load_results

FIGURES_FOLDER = "figures"


def write_study_report(out: Path) -> Path:
    """Write ``report.html`` and ``study/figures`` from the tables of a run and its study.

    Parameters
    ----------
    out : Path
        Folder of a finished run in which `histoquant study` (or `histoquant agreement`) has left its tables.

    Returns
    -------
    Path
        The page. Same tables, same bytes. Checksums are for the caller to renew.

    Raises
    ------
    StoreError
        If there is no finished run, or there are no tables of a study.
    """
    results = load_results(out)
    tables = read_study_tables(out)
    if not tables:
        raise StoreError(f"{out / STUDY_FOLDER}: no tables of a study. Run `histoquant study {out}` first.")
    run = _run(out)
    view = study_view(tables, results.slides, run, read_analysis(out))
    _write_figures(out / STUDY_FOLDER / FIGURES_FOLDER, view.figures)
    controls = [ControlSlide.model_validate(one) for one in run.get("controls") or ()]
    return write_report(out, results.slides, results.biopsies, run, controls, view)


def _run(out: Path) -> dict[str, Any]:
    try:
        loaded = json.loads((out / "run.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{out / 'run.json'}: cannot be read ({error}). Finish the run first.") from error
    return loaded if isinstance(loaded, dict) else {}


def _write_figures(folder: Path, figures: tuple[Figure, ...]) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        kept = {f"{figure.name}{ending}" for figure in figures for ending in (".svg", ".csv")}
        for old in folder.iterdir():
            if old.name not in kept:  # of an earlier study, with other outcomes or readers
                old.unlink()
    for figure in figures:
        write_bytes(folder / f"{figure.name}.svg", figure.drawing.standalone())
        write_bytes(folder / f"{figure.name}.csv", csv_bytes(_public(figure.table)))


def _public(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in table.columns if not str(name).startswith("_")]]
