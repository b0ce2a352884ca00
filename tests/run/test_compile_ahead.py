"""Kernels are compiled by a process of their own, once."""

from __future__ import annotations

import subprocess
import sys
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
        for marker in process[4:]:
            (marks / f"compiled-{marker}").touch()

    monkeypatch.setattr(subprocess, "run", run)
    for markers in ({"CD68"}, {"CD68", "CD31", "CD20"}, {"CD20"}):
        compile_ahead(markers)
    command = [sys.executable, "-P", "-m", "histoquant.run.compile_ahead"]
    assert started == [[*command, "CD68"], [*command, "CD20", "CD31"]]
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


def test_a_marker_leaves_its_mark_when_its_drawing_was_quantified(marks: Path) -> None:
    module._compile("CD31")
    assert [path.name for path in marks.iterdir()] == ["compiled-CD31"]


def test_the_drawing_asks_for_nuclei_cells_and_vessels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "drawn.tif", drawn_tissue(1024), tile=(256, 256), photometric="rgb")
    with histoquant.open_slide(tmp_path / "drawn.tif", mpp=0.5) as slide:
        vessels = histoquant.quantify(slide, marker="CD31")
        cells = histoquant.quantify(slide, marker="CD68")
    assert len(vessels.vessels) >= 10
    assert len(cells.cells) >= 500
    assert cells.metrics["positive"] >= 50
