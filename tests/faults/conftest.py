"""Slides of 160 um, drawn once, and the bytes of what a run makes of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

RESULTS = ("slides.csv", "slides.parquet", "biopsies.csv", "run.json", "report.html")


@pytest.fixture(scope="session")
def field() -> np.ndarray:
    """320 x 320 px of CD68-stained tissue at 0.5 um/px."""
    return render_field("CD68", 160.0, seed=3)[0]


@pytest.fixture(scope="session")
def slides(field: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides that differ, of two patients."""
    folder = tmp_path_factory.mktemp("slides")
    write_slide(folder / "P01_T1_V1_CD68.tif", field, 0.5)
    write_slide(folder / "P02_T1_V1_CD68.tif", np.ascontiguousarray(field[::-1]), 0.5)
    return folder


@pytest.fixture(scope="session")
def intact(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of an unbroken run of `slides`."""
    out = tmp_path_factory.mktemp("intact") / "out"
    assert run_slides(RunOptions((slides,), out, workers=0, tile_size_px=256)) == 0
    return out


@pytest.fixture
def copy(slides: Path, tmp_path: Path) -> Path:
    """The two slides, to be spoilt; their times stay, so that plan keys would too."""
    return Path(shutil.copytree(slides, tmp_path / "in"))


@pytest.fixture(scope="session")
def slide_bytes() -> Callable[[Path, str], dict[str, bytes]]:
    """All result files of one slide."""

    def read(out: Path, slide_id: str) -> dict[str, bytes]:
        files = (out / "slides" / slide_id).iterdir()
        # the manifest carries the plan's key, which holds the path of the slide
        return {path.name: path.read_bytes() for path in files if path.name != "manifest.json"}

    return read
