"""From drawn slides to the trial: calibrate, blind, run, unblind, study; and the same in the open."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from histoquant.cli import app
from histoquant.errors import UsageError
from histoquant.phantoms import render_field
from histoquant.phantoms.samples import write_planned
from histoquant.phantoms.trial import CLONES, TIMEPOINTS, PlannedSlide, plan_trial
from histoquant.phantoms.writer import write_slide
from histoquant.run.trial import write_study
from histoquant.store.verify import verify

SEED = "statistician"


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code in (0, 3), result.output
    return result.output


def drawn_trial(
    folder: Path, patients: int, markers: tuple[str, ...], visits: tuple[str, ...], batch: str | None = None
) -> Path:
    """Slides, positive and negative controls of CD68 in every batch, tables and outcomes."""
    source = folder / "slides"
    (source / "truth").mkdir(parents=True)
    planned = [
        slide
        for slide in plan_trial(patients, 5, 0.85, (1, 1), 0.0).slides
        if slide.marker in markers and slide.timepoint in visits
    ]
    planned = [slide if batch is None else replace(slide, batch=batch) for slide in planned]
    rows = []
    for slide in planned:
        write_planned(source, slide, 90)
        rows.append((slide.name, slide.patient, slide.tract, slide.timepoint, slide.marker, slide.batch, ""))
    looks = {slide.batch: slide for slide in planned}
    for look in looks.values():
        rows += [_control(source, look, "CD68", kind) for kind in ("positive", "negative")]
    with (source / "slides.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("slide", "patient", "tract", "timepoint", "marker", "batch", "control", "clone"))
        writer.writerows((*row, CLONES[row[4]]) for row in rows)
    points = "".join(f'[[timepoints]]\nlabel = "{name}"\nmonth = {month}\n' for name, month, _ in TIMEPOINTS)
    (source / "study.toml").write_text('[slides]\ntable = "slides.csv"\n' + points)
    _outcomes(source / "outcomes.csv", patients, 0)
    return source


def _control(source: Path, look: PlannedSlide, marker: str, kind: str) -> tuple[str, ...]:
    name = f"{look.batch}_{marker}_{kind}.tif"
    stain = 1.0 if kind == "positive" else 0.0
    scene = {"b_cells": 700.0, "macrophages": 500.0, "fragments": 1}
    rgb, _ = render_field(marker, 420.0, seed=71, appearance=look.appearance, stain=stain, **scene)
    write_slide(source / name, rgb, look.appearance.scanner.mpp)
    return name, "", "", "", marker, look.batch, kind


def _outcomes(path: Path, patients: int, turn: int) -> None:
    arms = ["exosome", "placebo"] * patients
    answers = ["closed", "resistant", "improved"] * patients
    lines = [f"P{n + 1:02d},{arms[n + turn]},{answers[n + turn]}" for n in range(patients)]
    path.write_text("patient,arm,response\n" + "\n".join(lines) + "\n")


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def through_blinding(source: Path, root: Path) -> tuple[Path, Path]:
    """Blind results, and their unblinded copy."""
    lock = ("--calibration", root / "calibration.toml")
    call("calibrate", source, "-o", lock[1], "--workers", 0)
    blind = ("--key", root / "key.json", "--seed", SEED, "--keep-batch", *lock)
    call("blind", source, "-o", root / "blind", *blind)
    call("run", root / "blind", "-o", root / "masked", "--workers", 0, *lock)
    with pytest.raises(UsageError, match="unblind"):
        write_study(root / "masked", source, None)
    call("unblind", root / "masked", "--key", root / "key.json", "-o", root / "unblinded")
    return root / "masked", root / "unblinded"


def studied(out: Path, source: Path, outcomes: Path | None) -> dict[str, pd.DataFrame]:
    words = ("--outcomes", outcomes) if outcomes else ()
    call("study", out, "--study", source / "study.toml", *words)
    assert verify(out) == []
    return {path.stem: pd.read_csv(path) for path in sorted((out / "study").glob("*.csv"))}


def check(source: Path, root: Path, patients: int, measures: set[str]) -> dict[str, pd.DataFrame]:
    """What readers see tells nothing; outcomes move no blind table; every patient has every change."""
    masked, unblinded = through_blinding(source, root)
    for path in (*(root / "blind").rglob("*.csv"), *masked.rglob("*.csv"), masked / "run.json"):
        text = path.read_text()
        assert not any(f"P{n + 1:02d}" in text for n in range(patients)), path
        assert "exosome" not in text, path
    own = pd.read_csv(unblinded / "slides.csv").dropna(subset="patient")
    assert own["patient"].nunique() == patients
    assert set(own.loc[own["marker"] == "CD68", "threshold_source"]) == {"locked"}
    assert set(own["batch"]) == set(pd.read_csv(source / "slides.csv")["batch"])
    blind = studied(unblinded, source, None)
    before = digests(unblinded / "study")
    told = studied(unblinded, source, source / "outcomes.csv")
    assert {"arms", "response", "proportions"} <= told.keys() - blind.keys()
    after = digests(unblinded / "study")
    assert {name for name in before if after[name] != before[name]} == set()
    changes = told["tract_changes"]
    found = changes[changes["measure"].isin(measures) & changes["change"].notna()]
    assert set(found["measure"]) == measures
    # every pair of CD68 slides with tissue enough is a change, no other is
    cells = own[own["marker"] == "CD68"].set_index(["patient", "timepoint"])["tissue_mm2"]
    enough = set(cells.index[cells >= 0.25])
    paired = {key for key in enough if key[1] != "V1" and (key[0], "V1") in enough}
    assert paired
    counted = found[found["measure"] == "cd68_per_mm2"]
    assert set(zip(counted["patient"], counted["timepoint"], strict=True)) == paired
    return told


def test_arms_beside_the_slides_change_no_byte_of_what_is_blinded(tmp_path: Path) -> None:
    """Two folders that differ in who got what give the same blind folder and the same frozen parameters."""
    folders = []
    for turn in (0, 1):
        source = tmp_path / f"site{turn}"
        source.mkdir()
        for name in ("P01_T1_V1_CD68", "P01_T1_V2_CD68", "P02_T1_V1_CD68"):
            write_slide(source / f"{name}.tif", np.full((64, 64, 3), 200, np.uint8), 0.5)
        _outcomes(source / "outcomes.csv", 2, turn)
        out = tmp_path / f"blind{turn}"
        call("blind", source, "-o", out, "--key", tmp_path / f"key{turn}.json", "--seed", SEED)
        folders.append(out)
    assert (tmp_path / "site0/outcomes.csv").read_text() != (tmp_path / "site1/outcomes.csv").read_text()
    first, second = (digests(folder) for folder in folders)
    # study.toml holds the digest of the key, which is salted so that nobody can try seeds
    assert first.pop("study.toml") != second.pop("study.toml")
    assert first == second
    entries = [json.loads((tmp_path / f"key{turn}.json").read_text()) for turn in (0, 1)]
    assert entries[0]["protocol_sha256"] == entries[1]["protocol_sha256"]


def test_two_patients_through_blinding_with_a_lock_per_batch(tmp_path: Path) -> None:
    source = drawn_trial(tmp_path, 2, ("CD68",), ("V1", "V3"), "B1")
    told = check(source, tmp_path, 2, {"cd68_per_mm2"})
    # an estimate, and the reason why so few patients have no interval
    changes = told["changes"].set_index(["measure", "timepoint"]).loc[("cd68_per_mm2", "V3")]
    assert np.isfinite(changes["hl"])
    assert changes["reason"].startswith("FEW_PATIENTS")


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_four_patients_of_three_markers_come_out_as_in_the_open(tmp_path: Path) -> None:
    source = drawn_trial(tmp_path, 4, ("CD68", "CD20", "CD31"), ("V1", "V2", "V3"))
    told = check(source, tmp_path, 4, {"cd68_per_mm2", "cd20_diffuse_per_mm2", "cd31_vessels_per_mm2"})
    assert (tmp_path / "unblinded" / "duplicates.csv").exists()
    call(
        *("run", source, "-o", tmp_path / "open", "--workers", 0),
        *("--calibration", tmp_path / "calibration.toml"),
    )
    for name, table in studied(tmp_path / "open", source, source / "outcomes.csv").items():
        pd.testing.assert_frame_equal(told[name], table, obj=name)
