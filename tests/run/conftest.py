"""Small phantom slides, drawn once; a finished trial of tables alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.trial import TIMEPOINTS
from histoquant.phantoms.trial_tables import TableTrial, table_trial
from histoquant.phantoms.writer import write_slide
from histoquant.run.summary import slides_table
from histoquant.store.atomic import json_bytes
from histoquant.store.csv_table import csv_bytes
from histoquant.store.layout import OutputFolder
from histoquant.store.log import RunLog
from histoquant.store.parquet_table import parquet_bytes
from histoquant.store.verify import write_seals
from histoquant.study import biopsies

POINTS = "".join(f'[[timepoints]]\nlabel = "{label}"\nmonth = {month}\n' for label, month, _ in TIMEPOINTS)


@pytest.fixture(scope="session")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One patient, one timepoint, three markers; fields of 0.3 mm with glass around the tissue."""
    folder = tmp_path_factory.mktemp("slides")
    for marker in ("CD68", "CD20", "CD31"):
        rgb, truth = render_field(marker, 320.0, seed=3)
        write_slide(folder / f"P01_T1_V1_{marker}.tif", rgb, float(truth.summary["mpp"]))
    return folder


@pytest.fixture
def finished_trial(tmp_path: Path) -> Path:
    """An output folder as `histoquant run` leaves it, without pictures; study and outcomes beside it."""
    out = tmp_path / "out"
    (out / "slides").mkdir(parents=True)
    slides, outcomes = table_trial(TableTrial(patients=7, tracts=12, seed=2))
    table = slides_table(slides.assign(file=slides["slide_id"] + ".svs").to_dict("records"))
    (out / "slides.csv").write_bytes(csv_bytes(table))
    (out / "slides.parquet").write_bytes(parquet_bytes(table))
    (out / "biopsies.csv").write_bytes(csv_bytes(biopsies(table)))
    (out / "run.json").write_bytes(json_bytes({"parameters": {"working_mpp_um": 0.5}}))
    log = RunLog(out / "log.jsonl")
    log.write("run_started", study="../study.toml")
    log.close()
    write_seals(OutputFolder(out))
    (tmp_path / "study.toml").write_text(POINTS)
    outcomes.to_csv(tmp_path / "outcomes.csv", index=False)
    return out
