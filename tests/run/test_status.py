"""F29: how far a run is, told by its folder alone, while it goes on and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import histoquant.run.schedule as schedule
from histoquant.errors import StoreError
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.run.status import RunStatus, run_status


def _batches_on_disk(out: Path) -> int:
    return len(list((out / ".work").glob("*/*/batch-??????.hqb")))


def test_status_is_what_lies_on_disk_at_every_batch(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    whole, seen = schedule.run_batch, []

    def run_batch(job: Any, number: int) -> Any:
        receipt = whole(job, number)
        seen.append((run_status(out), _batches_on_disk(out)))
        return receipt

    monkeypatch.setattr(schedule, "run_batch", run_batch)
    one = slides / "P01_T1_V1_CD31.tif"
    monkeypatch.setattr("histoquant.run.parameters.RunParameters", _small_batches())
    assert run_slides(RunOptions((one,), out, workers=0, tile_size_px=256)) == 0
    assert len(seen) > 2
    for number, (found, on_disk) in enumerate(seen, start=1):
        assert (found.batches_done, on_disk) == (number, number)
        assert (found.slides_total, found.slides_done) == (1, 0)
        assert found.batches == len(seen)
    ended = run_status(out)
    assert (ended.state, ended.slides_done, ended.under_way) == ("finished", 1, [])


def _small_batches() -> Any:
    from functools import partial

    from histoquant.run.job import RunParameters

    return partial(RunParameters, batch_tiles=1, tile_size_px=1024)


def _log(folder: Path, name: str, *events: dict[str, Any]) -> None:
    lines = [json.dumps({"time": "2026-01-01T00:00:00.000+00:00", **event}) for event in events]
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


STARTED = {"event": "run_started", "slides": 3}
PLANNED = {"event": "slide_planned", "slide_id": "a", "tiles": 40, "batches": 4, "work": "k" * 64}


def _status(folder: Path) -> RunStatus:
    return run_status(folder, now_s=1767225600.0 + 60)  # a minute after the log's time


def test_the_end_of_a_run_is_told_by_its_log(tmp_path: Path):
    with pytest.raises(StoreError, match="no run was started there"):
        run_status(tmp_path)
    _log(tmp_path, "log.jsonl", STARTED, PLANNED)
    assert _status(tmp_path).state == "gone"
    for event, state in (("run_interrupted", "interrupted"), ("run_stopped", "stopped")):
        _log(tmp_path, "log.jsonl", STARTED, PLANNED, {"event": event})
        assert _status(tmp_path).state == state
    _log(tmp_path, "log.jsonl", STARTED, {"event": "run_finished"}, STARTED)
    assert _status(tmp_path).state == "gone"
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"event": "slide_pla')
    assert _status(tmp_path).slides_total == 3


def test_time_left_goes_by_tiles_and_only_while_a_process_is_at_work(tmp_path: Path):
    work = tmp_path / ".work" / "a" / ("k" * 16)
    work.mkdir(parents=True)
    for number in (0, 1):
        (work / f"batch-{number:06d}.hqb").touch()
    (work / "batch-000002.tile-0001.hqb").touch()
    events = (
        *(STARTED, PLANNED, {**PLANNED, "slide_id": "b"}, {"event": "slide_committed", "slide_id": "b"}),
        {"event": "slide_refused", "slide_id": "c"},
    )
    _log(tmp_path, "log.jsonl", *events)
    (tmp_path / ".lock").write_text('{"host": "another", "pid": 1}')
    found = _status(tmp_path)
    assert found.state == "running"
    assert (found.slides_total, found.slides_done, found.slides_failed) == (3, 1, 1)
    assert (found.batches_done, found.batches) == (2, 4)
    # 60 of 80 tiles in 60 s
    assert found.seconds_left == pytest.approx(20.0)
    (tmp_path / ".lock").unlink()
    assert _status(tmp_path).seconds_left is None


def test_shards_are_summed_until_the_whole_run_follows(tmp_path: Path):
    for number in (1, 2):
        _log(tmp_path, f"log-{number}-of-2.jsonl", STARTED, {"event": "run_finished"})
    _log(tmp_path, "log.jsonl", {**STARTED, "time": "2025-01-01T00:00:00.000+00:00"})
    assert (_status(tmp_path).slides_total, _status(tmp_path).state) == (6, "finished")
    _log(tmp_path, "log.jsonl", {**STARTED, "time": "2026-01-02T00:00:00.000+00:00"})
    assert (_status(tmp_path).slides_total, _status(tmp_path).state) == (3, "gone")
