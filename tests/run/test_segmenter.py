"""A run whose nuclei a plug-in finds."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import histoquant as hq
from histoquant.errors import UsageError
from histoquant.run import segmenter as choosing
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides
from histoquant.run.segmenter import choose_segmenter

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "segmenter_plugin"))
from histoquant_blobs import Blobs

NAME = "P01_T1_V1_CD68"


class Rough(Blobs):
    """The same, but it admits that its answer hangs on the window."""

    exact = False


def rough(weights: Path | None) -> Rough:
    return Rough()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    group = choosing.ENTRY_POINTS
    points = [
        EntryPoint("blobs", "histoquant_blobs:load", group),
        EntryPoint("rough", f"{__name__}:rough", group),
    ]
    monkeypatch.setattr(choosing, "entry_points", lambda group: points)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    choosing._load.cache_clear()


def _row(out: Path) -> pd.Series:
    return pd.read_csv(out / "slides.csv", keep_default_na=False).iloc[0]


def _tables(out: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((out / "slides" / NAME).glob("*.parquet"))]


@pytest.mark.usefixtures("installed")
def test_an_exact_segmenter_gives_the_same_bytes_at_every_tile_size(slides: Path, tmp_path: Path):
    told = RunOptions((slides / f"{NAME}.tif",), tmp_path / "a", workers=0, segmenter="blobs")
    assert run_slides(told) == 0
    plan = json.loads((tmp_path / "a" / "slides" / NAME / "plan.json").read_text())
    assert plan["segmenter"].startswith("blobs 1 (")
    assert (
        json.loads((tmp_path / "a" / "run.json").read_text())["parameters"]["segmenter"] == plan["segmenter"]
    )
    row = _row(tmp_path / "a")
    assert "SEGMENTER_NOT_EXACT" not in row["flags"]
    assert row["nuclei"] > 100
    other = replace(told, out=tmp_path / "b", tile_size_px=256)
    assert run_slides(other) == 0
    assert _tables(tmp_path / "b") == _tables(tmp_path / "a")
    assert run_slides(replace(told, out=tmp_path / "c", segmenter=None)) == 0
    assert _tables(tmp_path / "c") != _tables(tmp_path / "a")


@pytest.mark.usefixtures("installed")
def test_one_that_is_not_exact_is_flagged_and_done_again_at_another_tile_size(slides: Path, tmp_path: Path):
    told = RunOptions((slides / f"{NAME}.tif",), tmp_path, workers=0, segmenter="rough")
    assert run_slides(told) == 0
    assert "SEGMENTER_NOT_EXACT" in _row(tmp_path)["flags"]
    key = json.loads((tmp_path / "slides" / NAME / "manifest.json").read_text())["key"]
    assert run_slides(replace(told, tile_size_px=300)) == 0
    assert json.loads((tmp_path / "slides" / NAME / "manifest.json").read_text())["key"] != key


def test_in_memory_it_is_an_object(slides: Path):
    with hq.open_slide(slides / f"{NAME}.tif") as slide:
        result = hq.quantify(slide, "CD68", segmenter=Rough())
    assert "SEGMENTER_NOT_EXACT" in result.flags
    assert np.all(result.cells["nucleus_area_um2"] >= 10.0)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nobody", "Installed: blobs, rough"),
        ("blobs:nowhere.onnx", "is not there"),
        (f"blobs:{__file__}", "takes no weights"),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_run(text: str, said: str):
    with pytest.raises(UsageError, match=said):
        choose_segmenter(text)


@pytest.mark.usefixtures("installed")
def test_other_weights_are_another_segmenter(tmp_path: Path):
    file = tmp_path / "weights"
    file.write_bytes(b"1")
    first = choose_segmenter(f"rough:{file}").identity
    choosing._digest.cache_clear()
    file.write_bytes(b"2")
    assert choose_segmenter(f"rough:{file}").identity != first
