"""Small phantom slides, drawn once."""

from __future__ import annotations

from pathlib import Path

import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide


@pytest.fixture(scope="session")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One patient, one timepoint, three markers; fields of 0.3 mm with glass around the tissue."""
    folder = tmp_path_factory.mktemp("slides")
    for marker in ("CD68", "CD20", "CD31"):
        rgb, truth = render_field(marker, 320.0, seed=3)
        write_slide(folder / f"P01_T1_V1_{marker}.tif", rgb, float(truth.summary["mpp"]))
    return folder
