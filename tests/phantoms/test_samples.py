"""The written trial: files other programs open, tables that fit the contract, bytes that repeat."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
import tifffile

from histoquant.errors import UsageError
from histoquant.phantoms import write_samples
from histoquant.phantoms.samples import SAMPLE_QUALITY, write_planned
from histoquant.phantoms.trial import MISSING_REASONS, TIMEPOINTS, plan_trial
from histoquant.phantoms.writer import write_slide


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, list[Path], list[tuple[int, int, str]]]:
    folder = tmp_path_factory.mktemp("samples")
    calls: list[tuple[int, int, str]] = []
    paths = write_samples(folder, patients=1, seed=4, size_mm=0.3, progress=lambda *call: calls.append(call))
    return folder, paths, calls


def test_default_trial_has_three_timepoints_of_three_markers(written):
    folder, paths, calls = written
    assert len(paths) == 9
    assert sorted(p.name for p in folder.glob("*.tif")) == sorted(p.name for p in paths)
    assert "P01_T1_V1_CD68.tif" in {p.name for p in paths}
    assert [call[0] for call in calls] == list(range(1, 10))
    assert {call[1] for call in calls} == {9}


def test_slide_table_follows_the_contract(written):
    folder, paths, _ = written
    table = pd.read_csv(folder / "slides.csv")
    wanted = ["slide", "patient", "tract", "timepoint", "marker", "section", "block", "batch", "clone", "mpp"]
    assert list(table.columns) == wanted
    assert list(table.slide) == [p.name for p in paths]
    study = tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))
    assert study["slides"] == {"table": "slides.csv"}
    assert [t["label"] for t in study["timepoints"]] == [t[0] for t in TIMEPOINTS]
    assert [t["month"] for t in study["timepoints"]] == [0, 2, 4]
    assert [t["doses_before"] for t in study["timepoints"]] == [0, 1, 2]


def test_truth_table_sums_up_the_tables_beside_it(written):
    folder, paths, _ = written
    summary = pd.read_csv(folder / "truth" / "truth.csv").set_index("slide")
    assert list(summary.index) == [p.name for p in paths]
    for name, row in summary.iterrows():
        stem = str(name).removesuffix(".tif")
        nuclei = pd.read_csv(folder / "truth" / f"{stem}_nuclei.csv")
        shown = nuclei[(nuclei.visible == 1) & (nuclei.excluded == 0)]
        assert row.nuclei == len(shown)
        assert row.positive == shown.positive.sum()
        assert row.positive_per_mm2 == pytest.approx(row.positive / row.tissue_mm2, abs=1e-3, rel=1e-3)
        vessels = pd.read_csv(folder / "truth" / f"{stem}_vessels.csv")
        assert row.vessels == (vessels.excluded == 0).sum()


def test_outcomes_stay_out_of_the_folder_a_run_reads(written):
    folder, _, _ = written
    assert not (folder / "outcomes.csv").exists()
    assert "response" in pd.read_csv(folder / "truth" / "outcomes.csv").columns


def test_same_seed_same_bytes(written, tmp_path):
    folder, _, _ = written
    (tmp_path / "truth").mkdir()
    trial = plan_trial(1, 4, 0.3, (1, 1), 0.0)
    for planned in trial.slides[:2]:
        write_planned(tmp_path, planned, SAMPLE_QUALITY)
        assert (folder / planned.name).read_bytes() == (tmp_path / planned.name).read_bytes()
    for table in (tmp_path / "truth").glob("*.csv"):
        assert table.read_bytes() == (folder / "truth" / table.name).read_bytes()


@pytest.mark.parametrize("mpp", [0.25, 0.3461, 0.5])
def test_resolution_and_colours_are_read_back(tmp_path, mpp):
    rng = np.random.default_rng(1)
    smooth = np.full((1100, 1300, 3), (200, 120, 60), np.uint8)
    smooth[:550] = (240, 238, 235)
    smooth += rng.integers(0, 2, smooth.shape, dtype=np.uint8)
    path = tmp_path / "slide.tif"
    write_slide(path, smooth, mpp)
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        up, down = tags["XResolution"].value
        assert tags["ResolutionUnit"].value == 3  # centimetre
        assert 1e4 * down / up == pytest.approx(mpp, rel=1e-6)
        assert [page.shape[:2] for page in tiff.pages] == [(1100, 1300), (275, 325)]
        assert all(page.tile == (256, 256) for page in tiff.pages)
        decoded = tiff.pages[0].asarray()
    with openslide.OpenSlide(path) as slide:
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(mpp, rel=1e-6)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(mpp, rel=1e-6)
        assert slide.level_dimensions == ((1300, 1100), (325, 275))
        seen = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))[..., :3]
    for image in (decoded, seen):
        assert np.abs(image.astype(int) - smooth).mean() < 2.0


def test_responders_fall_and_others_do_not():
    trial = plan_trial(40, 2, 1.2, (1, 3), 0.1)
    ends = {c.responder: [] for c in trial.courses}
    for course in trial.courses:
        ends[course.responder] += [course.cd68[2], course.cd20[2]]
    assert min(ends[True]) >= 0.40
    assert max(ends[True]) <= 0.70
    assert min(ends[False]) >= 0.85
    assert {course.tract for course in trial.courses} == {"T1", "T2", "T3"}


def test_missing_biopsies_have_reasons_and_no_slides():
    trial = plan_trial(40, 2, 1.2, (1, 3), 0.1)
    assert 5 <= len(trial.missing) <= 40
    drawn = {(s.patient, s.tract, s.timepoint) for s in trial.slides}
    for patient, tract, timepoint, reason in trial.missing:
        assert (patient, tract, timepoint) not in drawn
        assert timepoint != "V1"
        assert reason in MISSING_REASONS
    assert len({s.name for s in trial.slides}) == len(trial.slides)


@pytest.mark.parametrize(
    "wrong", [{"patients": 0}, {"size_mm": 0.05}, {"tracts": (3, 1)}, {"missing_share": 1.0}]
)
def test_impossible_trials_are_refused_before_anything_is_written(tmp_path, wrong):
    with pytest.raises(UsageError):
        write_samples(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()
