"""A run from files to files: the same numbers on every way of computing them, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import histoquant as hq
from histoquant.errors import OutputLockedError, StoreError, UsageError
from histoquant.run.job import RunParameters, SlideJob
from histoquant.run.options import RunOptions
from histoquant.run.runner import prepare_slides, run_slides, work_shard
from histoquant.run.shard import Shard
from histoquant.run.tasks import BatchReceipt, PlanReceipt, run_batch
from histoquant.store.batch_file import Batch, write_batch
from histoquant.store.layout import OutputFolder
from histoquant.store.verify import verify

TABLES = ("slides.csv", "slides.parquet", "biopsies.csv", "run.json", "report.html")


@pytest.fixture(scope="module")
def done(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    assert run_slides(RunOptions((slides,), out, workers=0)) == 0
    return out


def _bytes(out: Path) -> dict[str, bytes]:
    files = [*(out / name for name in TABLES), *(out / "slides").rglob("*")]
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.is_file()}


def test_every_slide_has_one_row_and_its_files(done: Path, slides: Path):
    results = hq.load_results(done)
    assert sorted(results.slides["file"]) == sorted(path.name for path in slides.glob("*.tif"))
    assert set(results.slides["status"]) <= {"OK", "OK_WITH_FLAGS"}
    assert len(results.biopsies) == 1
    for slide_id in results.slides["slide_id"]:
        folder = done / "slides" / slide_id
        for name in ("cells.parquet", "regions.parquet", "overlay.png", "thumbnail.png", "plan.json"):
            assert (folder / name).is_file()
        assert OutputFolder(done).changed_files(slide_id) == []
    assert not (done / ".work" / "P01_T1_V1_CD68").exists()
    assert "nan" not in (done / "slides.csv").read_text().lower()


def test_shards_of_a_job_array_give_the_bytes_of_one_run(done: Path, slides: Path, tmp_path: Path):
    out = tmp_path / "out"
    options = RunOptions((slides,), out, workers=0)
    assert prepare_slides(options) == 0
    assert not list((out / "slides").iterdir())
    took = []
    for number in (1, 2):
        assert work_shard(out, Shard(number, 2), workers=0, json_progress=False) == 0
        took.append(len(list((out / "slides").iterdir())))
    assert took == [2, 3]
    assert not (out / "slides.csv").exists()
    assert run_slides(options) == 0
    events = [json.loads(line)["event"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert events == ["run_started", "slide_kept", "slide_kept", "slide_kept", "run_finished"]
    assert _bytes(out) == _bytes(done)
    assert verify(out) == []


def test_cells_lie_where_their_micrometres_say(done: Path):
    cells = hq.load_results(done).cells("P01_T1_V1_CD68")
    assert cells["cell_id"].is_unique
    np.testing.assert_allclose(cells["x_um"], (cells["x_px"] + 0.5) * 0.5)
    assert cells["positive"].dtype == bool
    assert cells[["hematoxylin_od", "dab_od"]].dtypes.eq("float64").all()
    inside = [
        pd.Series(outline[::2]).between(x - 40, x + 40).all()
        for outline, x in zip(cells["outline_xy_px"], cells["x_px"], strict=True)
    ]
    assert all(inside)


@pytest.mark.parametrize(("tile_size_px", "workers"), [(256, 0), (300, 2), (4096, 0)])
def test_bytes_do_not_depend_on_tiles_or_workers(
    done: Path, slides: Path, tmp_path: Path, tile_size_px: int, workers: int
):
    options = RunOptions((slides,), tmp_path, workers=workers, tile_size_px=tile_size_px)
    assert run_slides(options) == 0
    expected, found = _bytes(done), _bytes(tmp_path)
    assert sorted(expected) == sorted(found)
    assert [name for name in expected if expected[name] != found[name]] == []


def test_in_memory_numbers_are_the_run_s(done: Path, slides: Path):
    with hq.open_slide(slides / "P01_T1_V1_CD20.tif") as slide:
        result = hq.quantify(slide, marker="cd20")
        overlay = result.overlay()
    row = hq.load_results(done).slides.set_index("slide_id").loc["P01_T1_V1_CD20"]
    for name in ("tissue_mm2", "nuclei", "positive", "aggregates"):
        assert result.metrics[name] == pytest.approx(row[name], rel=1e-8)
    assert overlay.ndim == 3
    assert overlay.dtype == np.uint8


def test_running_again_redoes_nothing(done: Path, slides: Path):
    before = {path: path.stat().st_mtime_ns for path in (done / "slides").rglob("*") if path.is_file()}
    content = _bytes(done)
    assert run_slides(RunOptions((slides,), done, workers=0)) == 0
    after = {path: path.stat().st_mtime_ns for path in (done / "slides").rglob("*") if path.is_file()}
    assert after == before
    assert _bytes(done) == content


def test_a_report_is_drawn_again_only_when_it_would_differ(
    done: Path, slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = shutil.copytree(done, tmp_path / "out")
    drawn: list[Path] = []

    def draw(root: Path, *_: object) -> None:
        drawn.append(root)
        (root / "report.html").write_bytes((done / "report.html").read_bytes())

    monkeypatch.setattr("histoquant.run.summary.write_report", draw)
    assert run_slides(RunOptions((slides,), out, workers=0)) == 0
    assert drawn == []
    # altered since it was sealed; a slide more; killed before the seals were written
    (out / "report.html").write_text("<p>another page</p>")
    assert run_slides(RunOptions((slides,), out, workers=0)) == 0
    assert len(drawn) == 1
    one = next(iter(sorted(slides.glob("*.tif"))))
    assert run_slides(RunOptions((one,), out, workers=0)) == 0
    assert len(drawn) == 2
    (out / "SHA256SUMS").unlink()
    assert run_slides(RunOptions((one,), out, workers=0)) == 0
    assert len(drawn) == 3
    assert verify(out) == []


def test_damage_is_redone_and_a_new_parameter_replaces_all(done: Path, slides: Path, tmp_path: Path):
    out = tmp_path / "copy"
    shutil.copytree(done, out)
    content = _bytes(out)
    (out / "slides" / "P01_T1_V1_CD68" / "cells.parquet").write_bytes(b"damaged")
    options = RunOptions((slides,), out, workers=0)
    assert run_slides(options) == 0
    assert _bytes(out) == content
    assert run_slides(replace(options, settings=("threshold_od=0.35",))) == 0
    assert set(hq.load_results(out).slides["dab_threshold_od"]) == {0.35}


def test_an_interrupted_slide_keeps_its_batches(
    done: Path, slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    started: list[int] = []

    def interrupted(job: SlideJob, number: int) -> BatchReceipt:
        started.append(number)
        if len(started) == 3:
            raise KeyboardInterrupt
        return run_batch(job, number)

    one = slides / "P01_T1_V1_CD68.tif"
    options = RunOptions((one,), tmp_path, workers=0, tile_size_px=256)
    monkeypatch.setattr("histoquant.run.parameters.RunParameters", partial(RunParameters, batch_tiles=1))
    monkeypatch.setattr("histoquant.run.schedule.run_batch", interrupted)
    assert run_slides(options) == 130
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / ".work").rglob("batch-*.hqb")}
    assert len(kept) == 2
    assert not (tmp_path / ".lock").exists()

    redone: list[Path] = []

    def counted(path: Path, batch: Batch) -> str:
        redone.append(path)
        return write_batch(path, batch)

    monkeypatch.setattr("histoquant.run.schedule.run_batch", run_batch)
    monkeypatch.setattr("histoquant.run.tasks.write_batch", counted)
    assert run_slides(options) == 0
    assert redone
    assert not set(redone) & set(kept)
    cells = Path("slides") / "P01_T1_V1_CD68" / "cells.parquet"
    assert (tmp_path / cells).read_bytes() == (done / cells).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_lost_in_compiled_code_still_ends_the_run(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    def swallowing(job: SlideJob) -> PlanReceipt:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as error:
            raise RuntimeError("no compiled object yet") from error
        raise AssertionError

    before = signal.getsignal(number)
    monkeypatch.setattr("histoquant.run.schedule.plan_slide", swallowing)
    assert run_slides(RunOptions((slides,), tmp_path, workers=0)) == 130
    assert not list((tmp_path / "slides").iterdir())
    assert signal.getsignal(number) == before


def test_one_bad_slide_is_a_row_and_the_others_go_on(slides: Path, tmp_path: Path):
    folder = tmp_path / "mixed"
    shutil.copytree(slides, folder)
    (folder / "P02_T1_V1_CD68.tif").write_bytes(b"")
    (folder / "P02_T1_V1_CD20.svs").write_text("not a slide")
    whole = (slides / "P01_T1_V1_CD31.tif").read_bytes()
    (folder / "P02_T1_V1_CD31.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "unknown.tif").write_bytes(whole)
    out = tmp_path / "out"
    assert run_slides(RunOptions((folder,), out, workers=0)) == 3
    table = hq.load_results(out).slides.set_index("file")
    assert len(table) == 7
    bad = table[table["status"].isin(["FAILED", "REFUSED"])]
    assert sorted(bad.index) == [
        "P02_T1_V1_CD20.svs",
        "P02_T1_V1_CD31.tif",
        "P02_T1_V1_CD68.tif",
        "unknown.tif",
    ]
    assert bad["reason"].str.match(r"^[A-Z_]+: .{20,}").all()
    assert bad["reason"].str.contains("INTERNAL").sum() == 0
    assert bad["nuclei"].isna().all()
    assert table.loc["unknown.tif", "reason"].startswith("NO_MARKER")


def test_exit_statuses_for_nothing_usable(slides: Path, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run_slides(RunOptions((empty,), tmp_path / "a", workers=0)) == 4
    (empty / "P01_T1_V1_CD68.tif").write_bytes(b"II*\0")
    assert run_slides(RunOptions((empty,), tmp_path / "b", workers=0)) == 4
    with pytest.raises(UsageError, match="not there"):
        run_slides(RunOptions((tmp_path / "nowhere",), tmp_path / "c", workers=0))
    with pytest.raises(UsageError, match="Did you mean threshold_od"):
        run_slides(RunOptions((slides,), tmp_path / "c", workers=0, settings=("treshold_od=1",)))
    with pytest.raises(StoreError, match=r"cannot be written.*-o"):
        run_slides(RunOptions((slides,), empty / "P01_T1_V1_CD68.tif" / "out", workers=0))


def test_a_held_folder_is_refused(slides: Path, tmp_path: Path):
    (tmp_path / ".lock").write_text(json.dumps({"host": os.uname().nodename, "pid": os.getppid()}))
    with pytest.raises(OutputLockedError):
        run_slides(RunOptions((slides,), tmp_path, workers=0))


def test_no_setting_is_taken_and_then_ignored(slides: Path, tmp_path: Path):
    study = tmp_path / "study.toml"
    (tmp_path / "locked.toml").write_text("")
    study.write_text('[study]\nname = "s"\n[run]\ncalibration = "locked.toml"\n')
    with pytest.raises(UsageError, match=r"locked\.toml: no calibration file"):
        run_slides(RunOptions((slides,), tmp_path / "out", study=study, workers=0))
