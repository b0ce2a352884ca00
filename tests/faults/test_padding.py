"""F5: black or transparent padding is neither tissue nor background, and moves nothing but the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

PAD_PX = 512  # two tiles, which keeps the pixel grid of the working plane where it was


def _write(path: Path, rgb: np.ndarray, alpha: np.ndarray | None = None) -> None:
    pixels = rgb if alpha is None else np.dstack([rgb, alpha])
    options: dict[str, Any] = {} if alpha is None else {"extrasamples": ["unassalpha"]}
    tifffile.imwrite(
        path, pixels, tile=(256, 256), photometric="rgb", compression="deflate", resolution=(20000, 20000),
        resolutionunit="CENTIMETER", metadata=None, **options,
    )  # fmt: skip


def _run(path: Path, out: Path) -> tuple[pd.Series, pd.DataFrame]:
    options = RunOptions((path,), out, workers=0, tile_size_px=256, marker="CD68")
    assert run_slides(options) == 0
    row = pd.read_csv(out / "slides.csv").iloc[0]
    return row, pd.read_parquet(out / "slides" / row["slide_id"] / "cells.parquet")


@pytest.fixture(scope="module")
def bare(field: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.Series, pd.DataFrame]:
    """Tissue with a margin of glass, as scanned."""
    folder = tmp_path_factory.mktemp("bare")
    _write(folder / "P01_T1_V1_CD68.tif", _with_glass(field))
    return _run(folder / "P01_T1_V1_CD68.tif", folder / "out")


def _with_glass(field: np.ndarray) -> np.ndarray:
    glass = np.random.default_rng(5).integers(240, 246, (512, 512, 3), dtype=np.uint8)
    glass[96:416, 96:416] = field
    return glass


@pytest.mark.parametrize("padding", ["transparent", "black"])
def test_padding_changes_nothing_but_the_place(
    padding: str, bare: tuple[pd.Series, pd.DataFrame], field: np.ndarray, tmp_path: Path
):
    inside = _with_glass(field)
    size = inside.shape[0] + 2 * PAD_PX
    rgb = np.zeros((size, size, 3), np.uint8)
    alpha = np.zeros((size, size), np.uint8)
    window = (slice(PAD_PX, PAD_PX + inside.shape[0]),) * 2
    rgb[window], alpha[window] = inside, 255
    path = tmp_path / "P01_T1_V1_CD68.tif"
    _write(path, rgb, alpha if padding == "transparent" else None)
    row, cells = _run(path, tmp_path / "out")
    expected, before = bare
    measured = ["tissue_mm2", "excluded_mm2", "nuclei", "positive", "positive_per_mm2", "dab_threshold_od"]
    assert row[measured].tolist() == expected[measured].tolist()
    assert len(cells) > 50
    for name in ("nucleus_area_um2", "hematoxylin_od", "dab_od", "positive"):
        assert cells[name].tolist() == before[name].tolist(), name
    for name in ("x_px", "y_px"):  # a sum of whole numbers divided once: equal to the last bits of a double
        assert np.allclose(cells[name], before[name] + PAD_PX, rtol=0, atol=1e-9), name
