"""What a run says it would do, held against what it then does."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from histoquant.run.dry_run import dry_run
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides


@pytest.fixture
def options(slides: Path, tmp_path: Path) -> RunOptions:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(slides / "P01_T1_V1_CD68.tif", folder)
    (folder / "P02_T1_V1_CD68.tif").write_bytes(b"II*\0broken")
    return RunOptions((folder,), tmp_path / "out", workers=0, json_progress=True)


def _actions(options: RunOptions, capsys: pytest.CaptureFixture[str], status: int = 3) -> dict[str, str]:
    capsys.readouterr()
    assert dry_run(options) == status
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row["why"] for row in rows)
    return {row["slide_id"]: row["action"] for row in rows}


def test_it_says_what_the_run_then_does(options: RunOptions, capsys: pytest.CaptureFixture[str]):
    good, bad = "P01_T1_V1_CD68", "P02_T1_V1_CD68"
    assert _actions(options, capsys) == {good: "quantify", bad: "refuse"}
    assert not options.out.exists()
    assert run_slides(options) == 3
    before = {path: path.stat().st_mtime_ns for path in options.out.rglob("*")}
    assert _actions(options, capsys) == {good: "keep", bad: "refuse"}
    assert _actions(replace(options, settings=("threshold_od=0.3",)), capsys)[good] == "again"
    assert {path: path.stat().st_mtime_ns for path in options.out.rglob("*")} == before
    (options.out / "slides" / good / "cells.parquet").write_bytes(b"")
    assert _actions(options, capsys)[good] == "again"


def test_it_reads_well(options: RunOptions, capsys: pytest.CaptureFixture[str]):
    assert dry_run(replace(options, json_progress=False)) == 3
    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[:4] == ["quantify", "P01_T1_V1_CD68.tif", "CD68", "0.5"]
    assert said[1].startswith("refuse")
    assert said[2] == "1 to quantify, 1 to refuse"
    assert "GB free" in said[-1]
