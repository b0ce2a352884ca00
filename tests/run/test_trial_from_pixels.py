"""A virtual trial from drawn slides to the tables of the study: samples, run, study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from histoquant.cli import app
from histoquant.phantoms import write_samples


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code in (0, 3), result.output
    return result.output


def through(folder: Path, **drawn: object) -> dict[str, pd.DataFrame]:
    slides, out = folder / "slides", folder / "out"
    write_samples(slides, **drawn)  # type: ignore[arg-type]
    call("run", slides, "-o", out, "--workers", 0)
    # the study file is found through the run's log
    said = call("study", out, "--outcomes", slides / "truth" / "outcomes.csv")
    assert "No study.toml" not in said
    return {path.stem: pd.read_csv(path) for path in (out / "study").glob("*.csv")}


@pytest.mark.full
def test_one_patient_with_too_little_tissue_gives_reasons(tmp_path: Path) -> None:
    tables = through(tmp_path, patients=1, seed=4, size_mm=0.3)
    flow = tables["flow"].set_index("step")
    assert flow.loc["enrolled", "patients"] == 1
    assert set(tables["measures"]["month"]) == {0, 2, 4}
    changes = tables["changes"]
    assert changes["hl"].isna().all()
    assert changes["reason"].str.startswith("FEW_PATIENTS (0").all()
    tracts = tables["tract_changes"]
    density = tracts[tracts["measure"] == "cd68_per_mm2"]
    assert density["reason"].str.startswith("BASELINE INSUFFICIENT_TISSUE").all()


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_four_patients_from_pixels(tmp_path: Path) -> None:
    tables = through(tmp_path, patients=4, seed=5, size_mm=0.75, tracts=(1, 1), missing_share=0.15)
    truth = pd.read_csv(tmp_path / "slides" / "truth" / "truth.csv")
    names = truth["slide"].str.removesuffix(".tif").str.split("_", expand=True)
    truth = truth.assign(patient=names[0], timepoint=names[2], marker=names[3])
    compared = against_truth(tables["tract_changes"], truth)
    # counting and segmentation leave the change of a single small biopsy within a third
    away = np.abs(compared)
    off = np.exp([np.median(away), away.max()])
    print(f"{len(compared)} changes; ratio to the truth: median {off[0]:.3f}, most {off[1]:.3f}")
    assert len(compared) >= 8
    assert np.median(away) < 0.15
    assert away.max() < 0.6
    flow = tables["flow"]
    biopsied = flow[flow["step"] == "biopsied"].set_index("timepoint")["tracts"]
    assert biopsied.to_dict() == {"V1": 4, "V2": 4, "V3": 3}
    assert tables["changes"].query("measure == 'cd68_per_mm2'")["smallest_p"].min() >= 0.125
    assert set(tables["response_points"]["response"].dropna()) <= {"closed", "improved", "resistant"}


def against_truth(tracts: pd.DataFrame, truth: pd.DataFrame) -> np.ndarray:
    """Found minus true log change of CD68 and CD31 densities."""
    counted = {"cd68_per_mm2": ("CD68", "positive"), "cd31_vessels_per_mm2": ("CD31", "vessels")}
    found = []
    for row in tracts[tracts["measure"].isin(counted) & tracts["change"].notna()].to_dict("records"):
        marker, column = counted[row["measure"]]
        own = truth[(truth["patient"] == row["patient"]) & (truth["marker"] == marker)].set_index("timepoint")
        log_density = np.log((own[column] + 0.5) / own["tissue_mm2"])
        found.append(row["change"] - (log_density[row["timepoint"]] - log_density[row["baseline"]]))
    return np.array(found)
