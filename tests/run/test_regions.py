"""What a person drew beside a slide: where to count, and the lumen that distance bands start from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import histoquant as hq
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

NAME = "P01_T1_V1_CD68"


def _draw(path: Path, x_px: float, name: str = "Lumen") -> None:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [_feature(x_px, name)]}))


def _feature(x_px: float, name: str) -> dict[str, object]:
    ring = [[x_px, 0], [x_px + 80, 0], [x_px + 80, 640], [x_px, 640], [x_px, 0]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": name}},
    }


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


def test_only_what_is_included_and_not_excluded_counts(folder: Path):
    drawn = folder / f"{NAME}.geojson"

    def counted(*features: dict[str, object]) -> tuple[pd.DataFrame, hq.SlideResult]:
        drawn.write_text(json.dumps(list(features)))
        with hq.open_slide(folder / f"{NAME}.tif") as slide:
            result = hq.quantify(slide, "CD68")
        return result.cells, result

    whole, told = counted()
    one, included = counted(_feature(160, "Include"))
    rest, excluded = counted(_feature(160, "Ignore*"))
    assert one["x_px"].between(144, 256).all()
    assert not rest["x_px"].between(176, 224).any()
    # beside a border the neighbours are not known that tell caps and fragments from cells
    differ = set(whole["cell_id"]) ^ (set(one["cell_id"]) | set(rest["cell_id"]))
    assert len(differ) <= 0.02 * len(whole)
    assert not set(one["cell_id"]) & set(rest["cell_id"])
    for part in (included, excluded):
        areas = [part.metrics["tissue_mm2"], part.metrics["excluded_mm2"]]
        assert sum(areas) == pytest.approx(told.metrics["tissue_mm2"] + told.metrics["excluded_mm2"])
        assert "by_hand=" in part.metrics["excluded_by_kind"]
    # stains are those of the whole slide, so a cell in a region measures and scores as it did without
    same = whole.set_index("cell_id").loc[one["cell_id"][one["cell_id"].isin(whole["cell_id"])]]
    now = one.set_index("cell_id").loc[same.index]
    assert (now[["dab_od", "positive"]] == same[["dab_od", "positive"]]).all(axis=None)
    both, _ = counted(_feature(160, "Include"), _feature(200, "Exclude"))
    assert 0 < len(both) < len(one)
    assert both["x_px"].max() < 201


def test_regions_that_leave_nothing_refuse_their_slide(folder: Path, capsys: pytest.CaptureFixture[str]):
    _draw(folder / f"{NAME}.geojson", 100_000, "Include")
    assert run_slides(RunOptions((folder / f"{NAME}.tif",), folder / "out", workers=0)) == 4
    assert "leave no tissue" in capsys.readouterr().err
