"""Kernels are compiled by a process of their own, once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tifffile

import histoquant
from histoquant.run import compile_ahead as module
from histoquant.run.compile_ahead import compile_ahead, drawn_tissue


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where marks of what was compiled go, none yet."""
    monkeypatch.setattr(module, "_mark_of", lambda marker: tmp_path / f"compiled-{marker}")
    return tmp_path


def test_each_marker_is_compiled_once_and_apart(
    marks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[list[str]] = []

    def run(process: list[str], **_: Any) -> None:
        started.append(process)
        for marker in process[5:]:
            (marks / f"compiled-{marker}").touch()

    monkeypatch.setattr(subprocess, "run", run)
    for markers in ({"CD68"}, {"CD68", "CD31", "CD20"}, {"CD20"}):
        compile_ahead(markers)
    command = [sys.executable, "-P", "-m", "histoquant.run.compile_ahead"]
    assert [process[:4] for process in started] == [command, command]
    assert [process[5:] for process in started] == [["CD68"], ["CD20", "CD31"]]
    assert not any(Path(process[4]).exists() for process in started)
    assert capsys.readouterr().err.count("once after an installation") == 2


@pytest.mark.parametrize("python", ['#!/bin/sh\ntouch "$0.ran"\nexit 3\n', None])
def test_a_process_that_fails_stops_no_run(
    marks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str | None
) -> None:
    program = tmp_path / "python"
    if python is not None:
        program.write_text(python)
        program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    compile_ahead({"CD68"})
    assert (tmp_path / "python.ran").exists() == (python is not None)
    assert not list(marks.glob("compiled-*"))


def test_a_process_that_takes_too_long_is_stopped_and_leaves_nothing(
    marks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, kept = tmp_path / "python", tmp_path / "kept"
    # its arguments are -P -m MODULE FOLDER MARKER
    program.write_text(f'#!/bin/sh\ntouch "$4/half"\necho "$$ $4" > {kept}\nexec sleep 600\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(module, "_LIMIT_S", 1.0)
    start = time.monotonic()
    compile_ahead({"CD68"})
    assert time.monotonic() - start < 60.0
    process, folder = kept.read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)
    assert not Path(folder).exists()
    assert not list(marks.glob("compiled-*"))
    assert "stopped after 1 s. The run goes on" in capsys.readouterr().err


def test_a_marker_leaves_its_mark_when_its_drawing_was_quantified(marks: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    module._compile("CD31", str(scratch))
    assert not list(scratch.iterdir())
    assert [path.name for path in marks.glob("compiled-*")] == ["compiled-CD31"]


def test_the_drawing_asks_for_nuclei_cells_and_vessels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "drawn.tif", drawn_tissue(1024), tile=(256, 256), photometric="rgb")
    with histoquant.open_slide(tmp_path / "drawn.tif", mpp=0.5) as slide:
        vessels = histoquant.quantify(slide, marker="CD31")
        cells = histoquant.quantify(slide, marker="CD68")
    assert len(vessels.vessels) >= 10
    assert len(cells.cells) >= 500
    assert cells.metrics["positive"] >= 50
