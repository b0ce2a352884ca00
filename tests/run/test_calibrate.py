"""Controls in, a calibration out, and slides read with it."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import histoquant as hq
from histoquant.calibration import read_calibration
from histoquant.errors import CalibrationError, UsageError
from histoquant.phantoms import APPEARANCES, render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.calibrate import CalibrateOptions, calibrate_slides
from histoquant.run.controls import kind_in_name
from histoquant.run.intake import take_in
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

# half the usual DAB: what a fixed threshold loses
FAINT = replace(APPEARANCES["pale"], name="faint", second_gain=0.45)
SCENE = {"b_cells": 900.0, "fragments": 1}


def _slide(path: Path, seed: int, stain: float = 1.0) -> dict[str, float]:
    rgb, truth = render_field("CD20", 420.0, seed=seed, appearance=FAINT, stain=stain, **SCENE)
    write_slide(path, rgb, 0.5)
    return dict(truth.summary)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one faint batch: two positive controls, a negative one, and one patient's slide."""
    folder = tmp_path_factory.mktemp("trial")
    truth = {
        "tonsil_a": _slide(folder / "tonsil_a.tif", 31),
        "tonsil_b": _slide(folder / "tonsil_b.tif", 32),
        "omitted": _slide(folder / "omitted.tif", 33, stain=0.0),
        "P01_T1_V1_CD20": _slide(folder / "P01_T1_V1_CD20.tif", 34),
    }
    (folder / "truth.json").write_text(json.dumps(truth, default=float))
    (folder / "slides.csv").write_text(
        "slide,patient,timepoint,marker,batch,clone,control\n"
        "tonsil_a.tif,,,CD20,B1,L26,positive\n"
        "tonsil_b.tif,P09,V1,CD20,B1,L26,positive\n"
        "omitted.tif,,,CD20,B1,L26,negative\n"
        "P01_T1_V1_CD20.tif,P01,V1,CD20,B1,L26,\n"
    )
    (folder / "study.toml").write_text('[slides]\ntable = "slides.csv"\n')
    assert calibrate_slides(CalibrateOptions((folder,), folder / "calibration.toml", workers=0)) == 0
    return folder


def _truth(trial: Path, name: str) -> dict[str, float]:
    truth: dict[str, dict[str, float]] = json.loads((trial / "truth.json").read_text())
    return truth[name]


def test_the_file_holds_a_lock_with_reasons_and_its_controls(trial: Path):
    calibration = read_calibration(trial / "calibration.toml")
    (lock,) = calibration.lock
    assert (lock.marker, lock.batch, lock.clone) == ("CD20", "B1", "L26")
    assert lock.threshold_od < 0.15
    assert "negative-control cells" in lock.threshold_reason
    assert [(c.slide, c.kind) for c in calibration.control] == [
        ("tonsil_a.tif", "positive"),
        ("tonsil_b.tif", "positive"),
        ("omitted.tif", "negative"),
    ]
    page = (trial / "calibration.html").read_text()
    assert "Levey-Jennings chart of the CD20 controls" in page
    assert "<script" not in page
    assert not [path for path in trial.iterdir() if path.name.startswith(".histoquant")]


def test_the_same_controls_give_the_same_bytes(trial: Path, tmp_path: Path):
    again = tmp_path / "calibration.toml"
    assert calibrate_slides(CalibrateOptions((trial,), again, workers=0)) == 0
    assert again.read_bytes() == (trial / "calibration.toml").read_bytes()
    assert again.with_suffix(".html").read_bytes() == (trial / "calibration.html").read_bytes()


def test_a_faint_slide_is_counted_nearer_its_truth_and_a_negative_stays_empty(trial: Path):
    true = _truth(trial, "P01_T1_V1_CD20")["positive"]
    lock = read_calibration(trial / "calibration.toml").lock[0]
    with hq.open_slide(trial / "P01_T1_V1_CD20.tif") as slide:
        fixed = hq.quantify(slide, "CD20").cells["dab_od"].ge(0.15).sum()
        found = hq.quantify(slide, "CD20", calibration=trial / "calibration.toml", batch="B1")
    assert found._planned.plan.threshold_od == lock.threshold_od
    assert abs(found.metrics["positive"] - true) < abs(fixed - true)
    with hq.open_slide(trial / "omitted.tif") as slide:
        empty = hq.quantify(slide, "CD20", calibration=trial / "calibration.toml", batch="B1")
    with hq.open_slide(trial / "tonsil_a.tif") as slide:
        full = hq.quantify(slide, "CD20", calibration=trial / "calibration.toml", batch="B1")
    assert empty.metrics["positive_per_mm2"] <= 0.02 * full.metrics["positive_per_mm2"]


def test_a_run_takes_the_lock_says_so_and_keeps_controls_out_of_biopsies(trial: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = RunOptions((trial,), out, workers=0, calibration=trial / "calibration.toml")
    assert run_slides(options) == 0
    lock = read_calibration(trial / "calibration.toml").lock[0]
    slides = hq.load_results(out).slides.set_index("slide_id")
    assert set(slides["dab_threshold_od"]) == {lock.threshold_od}
    assert set(slides["stain_source"]) == {"locked"}
    assert slides.loc["omitted", "control"] == "negative"
    assert not slides["flags"].fillna("").str.contains("CALIBRAT").any()
    assert list(hq.load_results(out).biopsies["patient"]) == ["P01"]
    plan = json.loads((out / "slides" / "P01_T1_V1_CD20" / "plan.json").read_text())
    assert plan["threshold_source"] == "locked"
    assert "batch B1" in plan["threshold_reason"]
    assert (
        json.loads((out / "run.json").read_text())["calibration"]["locks"]["tonsil_a"]["sha256"]
        == lock.sha256
    )
    assert "Levey-Jennings chart of the CD20 controls" in (out / "report.html").read_text()
    before = json.loads((out / "slides" / "tonsil_a" / "manifest.json").read_text())["key"]
    text = (trial / "calibration.toml").read_text()
    changed = tmp_path / "changed.toml"
    changed.write_text(text.replace(f"threshold_od = {lock.threshold_od}", "threshold_od = 0.5"))
    one = replace(options, slides=(trial / "tonsil_a.tif",), calibration=changed)
    assert run_slides(one) == 0
    assert json.loads((out / "slides" / "tonsil_a" / "manifest.json").read_text())["key"] != before
    assert set(hq.load_results(out).slides["dab_threshold_od"]) == {0.5}


def test_a_slide_without_lock_is_flagged_and_read_by_itself(slides: Path, trial: Path, tmp_path: Path):
    plain, flagged = tmp_path / "plain", tmp_path / "flagged"
    one = (slides / "P01_T1_V1_CD68.tif",)
    assert run_slides(RunOptions(one, plain, workers=0)) == 0
    assert run_slides(RunOptions(one, flagged, workers=0, calibration=trial / "calibration.toml")) == 0
    rows = [pd.read_csv(out / "slides.csv").iloc[0] for out in (plain, flagged)]
    assert "NOT_CALIBRATED" in rows[1]["flags"]
    assert "NOT_CALIBRATED" not in str(rows[0]["flags"])
    assert rows[0].drop(["flags", "status"]).equals(rows[1].drop(["flags", "status"]))


def test_a_study_file_names_the_calibration(trial: Path):
    study = trial / "calibrated.toml"
    study.write_text('[slides]\ntable = "slides.csv"\n[run]\ncalibration = "calibration.toml"\n')
    intake = take_in(RunOptions((trial,), study=study))
    assert intake.lock_of("P01_T1_V1_CD20") == read_calibration(trial / "calibration.toml").lock[0]
    assert take_in(RunOptions((trial,))).lock_of("P01_T1_V1_CD20") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"working_mpp_um": 0.4}, "working_mpp_um: made at 0.5 um/px, the run analyses at 0.4"),
        ({"settings": ("threshold_od=0.3",)}, "locked by this file and set by threshold_od=0.3"),
    ],
)
def test_a_calibration_that_does_not_fit_the_run_is_refused(
    trial: Path, tmp_path: Path, change: dict[str, object], said: str
):
    options = RunOptions((trial,), tmp_path / "out", workers=0, calibration=trial / "calibration.toml")
    with pytest.raises(CalibrationError, match=said):
        run_slides(replace(options, **change))


def test_names_say_what_a_control_is():
    said = {
        "tonsil_CD20.svs": "positive",
        "CD20_poscontrol.svs": "positive",
        "B3-neg_control-CD68.tif": "negative",
        "isotype CD31.svs": "negative",
        "tonsil_no_primary.svs": "negative",
        "P01_T1_V1_CD68.tif": None,
        "Negreiros_CD68.tif": None,
    }
    assert {name: kind_in_name(Path(name)) for name in said} == said


def test_files_by_name_and_option_without_a_table(
    trial: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "controls"
    folder.mkdir()
    for old, new in (("tonsil_a", "tonsil_CD20"), ("omitted", "plain_CD20"), ("tonsil_b", "P01_V1_CD20")):
        shutil.copy(trial / f"{old}.tif", folder / f"{new}.tif")
    out = tmp_path / "c.toml"
    options = CalibrateOptions((folder,), out, (folder / "plain_CD20.tif",), workers=0, as_json=True)
    assert calibrate_slides(options) == 0
    said = capsys.readouterr()
    assert "1 of 3 slides are no controls" in said.err
    printed = json.loads(said.out)
    assert [(c["slide"], c["kind"]) for c in printed["control"]] == [
        ("plain_CD20.tif", "negative"),
        ("tonsil_CD20.tif", "positive"),
    ]
    assert tomllib.loads(out.read_text())["lock"][0]["batch"] == "default"


def test_what_cannot_be_calibrated_is_said(slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "c.toml"
    assert calibrate_slides(CalibrateOptions((slides,), out, workers=0)) == 4
    assert not out.exists()
    assert "no control slide could be used" in capsys.readouterr().err
    with pytest.raises(UsageError, match="--set threshold_od"):
        calibrate_slides(CalibrateOptions((slides,), out, settings=("threshold_od=0.2",)))
    with pytest.raises(UsageError, match="--negative"):
        calibrate_slides(CalibrateOptions((slides,), out, (tmp_path / "none.tif",)))
