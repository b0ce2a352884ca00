"""Distance bands of a run: from the tissue's edge, or from the lumen a person drew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import histoquant as hq
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

NAME = "P01_T1_V1_CD68"


def _draw(path: Path, x_px: float, name: str = "Lumen") -> None:
    ring = [[x_px, 0], [x_px + 80, 0], [x_px + 80, 640], [x_px, 640], [x_px, 0]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": name}},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))


@pytest.fixture
def folder(slides: Path, tmp_path: Path) -> Path:
    shutil.copy(slides / f"{NAME}.tif", tmp_path)
    return tmp_path


def test_bands_follow_the_drawn_lumen_and_a_new_drawing_is_a_new_plan(folder: Path):
    out = folder / "out"
    options = RunOptions((folder / f"{NAME}.tif",), out, workers=0)
    drawn = folder / f"{NAME}.geojson"

    def bands() -> tuple[list[str], list[float]]:
        assert run_slides(options) == 0
        if not (out / "slides" / NAME / "bands.parquet").exists():
            return [], []
        table = hq.load_results(out).bands(NAME)
        row = hq.load_results(out).slides.iloc[0]
        assert table["counted"].sum() == row["positive"]
        assert table["tissue_mm2"].sum() == pytest.approx(row["tissue_mm2"])
        return sorted(set(table["reference"])), table["tissue_mm2"].round(6).tolist()

    # the field is tissue from edge to edge: nothing to measure from
    assert bands() == ([], [])
    _draw(drawn, 0)
    names, left = bands()
    assert names == ["lumen"]
    _draw(drawn, 280)
    assert bands()[1] != left
    _draw(drawn, 280, "Tumor")
    assert bands() == ([], [])
    _draw(drawn, 0)
    with hq.open_slide(folder / f"{NAME}.tif") as slide:
        assert set(hq.quantify(slide, "CD68").bands["reference"]) == {"lumen"}


def test_a_drawing_that_cannot_be_read_refuses_its_slide(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / f"{NAME}.geojson").write_text("{")
    assert run_slides(RunOptions((folder / f"{NAME}.tif",), folder / "out", workers=0)) == 4
    said = capsys.readouterr().err
    assert f"ANNOTATIONS: {NAME}.geojson: is no GeoJSON" in said
