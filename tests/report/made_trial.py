"""A finished run over the tables of a virtual trial, as `histoquant run` would have left it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from histoquant.phantoms.trial import TIMEPOINTS
from histoquant.store.csv_table import csv_bytes
from histoquant.store.layout import OutputFolder
from histoquant.store.parquet_table import parquet_bytes
from histoquant.store.verify import write_seals
from histoquant.study import biopsies, load_study


def finished_trial(root: Path, name: str, slides: pd.DataFrame, answers: pd.DataFrame) -> Path:
    """Write study file, outcomes and a sealed results folder; returns the last."""
    points = "".join(
        f'[[timepoints]]\nlabel = "{label}"\nmonth = {month}\n' for label, month, _ in TIMEPOINTS
    )
    (root / "study.toml").write_text(points)
    answers[["patient", "response", "arm"]].to_csv(root / "outcomes.csv", index=False)
    folder = root / "out"
    (folder / "slides").mkdir(parents=True)
    (folder / "slides.parquet").write_bytes(parquet_bytes(slides))
    (folder / "slides.csv").write_bytes(csv_bytes(slides))
    (folder / "biopsies.csv").write_bytes(csv_bytes(biopsies(slides, load_study(root))))
    run = {"version": "0.1.0", "study": name, "parameters": {"working_mpp_um": 0.5, "markers": {}}}
    (folder / "run.json").write_text(json.dumps(run))
    write_seals(OutputFolder(folder))
    return folder
