"""One small finished run with every kind of object, for all that begins where a run has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides


@pytest.fixture(scope="session")
def finished_slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three markers of one biopsy."""
    folder = tmp_path_factory.mktemp("finished_slides")
    for marker in ("CD68", "CD20", "CD31"):
        rgb, truth = render_field(marker, 320.0, seed=3)
        write_slide(folder / f"P01_T1_V1_{marker}.tif", rgb, float(truth.summary["mpp"]))
    return folder


@pytest.fixture(scope="session")
def finished_results(finished_slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, quantified in this process; copy it before you write into it."""
    out = tmp_path_factory.mktemp("finished") / "results"
    assert run_slides(RunOptions(slides=(finished_slides,), out=out, workers=0)) == 0
    return out
