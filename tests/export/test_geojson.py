"""GeoJSON for QuPath: same objects, classes, places and areas as the tables."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

import histoquant as hq
from histoquant.errors import StoreError, UsageError
from histoquant.export import export_results


def exported(finished_results: Path, folder: Path, marker: str, **options: Any) -> list[dict[str, Any]]:
    (path,) = export_results(
        finished_results, "geojson", folder, slide_ids=[f"P01_T1_V1_{marker}"], **options
    )
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    collection = json.loads(data)
    assert collection["type"] == "FeatureCollection"
    return list(collection["features"])


def kind(feature: dict[str, Any]) -> str:
    return str(feature["properties"]["classification"]["name"])


def shoelace(ring: list[list[float]]) -> float:
    x, y = np.asarray(ring, float).T
    return abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))) / 2


def area_px(feature: dict[str, Any]) -> float:
    geometry = feature["geometry"]
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return sum(shoelace(rings[0]) - sum(map(shoelace, rings[1:])) for rings in polygons)


def test_cells_keep_count_class_area_and_place(finished_results: Path, tmp_path: Path) -> None:
    cells = hq.load_results(finished_results).cells("P01_T1_V1_CD68")
    features = [
        one
        for one in exported(finished_results, tmp_path, "CD68")
        if one["properties"]["objectType"] == "cell"
    ]
    assert len(features) == len(cells) > 100
    assert [kind(one) == "Positive" for one in features] == cells["positive"].tolist()
    assert 0 < sum(kind(one) == "Positive" for one in features) < len(cells)
    # outlines run along pixel edges, so the polygon holds just the nucleus's pixels
    filled = cells["nucleus_area_um2"].to_numpy() / 0.25
    np.testing.assert_allclose([area_px(one) for one in features], filled, rtol=1e-9)
    middle = [np.mean(one["geometry"]["coordinates"][0][:-1], axis=0) for one in features]
    np.testing.assert_allclose(middle, cells[["x_px", "y_px"]] + 0.5, atol=4)
    for name in ("dab_od", "hematoxylin_od", "nucleus_area_um2"):
        read = [one["properties"]["measurements"].get(name, np.nan) for one in features]
        np.testing.assert_array_equal(read, cells[name].to_numpy())


def test_rings_are_closed_and_ids_are_unique_uuids_that_stay(finished_results: Path, tmp_path: Path) -> None:
    features = exported(finished_results, tmp_path / "a", "CD31")
    for one in features:
        polygons = one["geometry"]["coordinates"]
        rings = polygons if one["geometry"]["type"] == "Polygon" else [r for p in polygons for r in p]
        assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in rings)
    ids = [str(UUID(one["id"])) for one in features]
    assert len(set(ids)) == len(ids)
    assert ids == [one["id"] for one in exported(finished_results, tmp_path / "b", "CD31")]


def test_vessels_have_their_lumens_as_holes(finished_results: Path, tmp_path: Path) -> None:
    vessels = hq.load_results(finished_results).vessels("P01_T1_V1_CD31")
    features = [
        one
        for one in exported(finished_results, tmp_path, "CD31")
        if one["properties"]["objectType"] == "detection"
    ]
    assert [kind(one) == "Vessel" for one in features] == vessels["vessel"].tolist()
    walls = vessels["outer_area_um2"] - vessels["lumen_area_um2"]
    holed = vessels["lumen_area_um2"].to_numpy() > 0
    assert holed.any()
    drawn = np.array([area_px(one) for one in features]) * 0.25
    # the table's outer area closes small gaps, the drawn wall is the outline's own
    np.testing.assert_allclose(drawn, walls, rtol=0.1, atol=2)


def test_tissue_is_one_annotation_of_the_slide_tables_area(finished_results: Path, tmp_path: Path) -> None:
    row = hq.load_results(finished_results).slides.set_index("slide_id").loc["P01_T1_V1_CD20"]
    tissue = [one for one in exported(finished_results, tmp_path, "CD20") if kind(one) == "Tissue"]
    assert len(tissue) == 1
    assert tissue[0]["properties"]["objectType"] == "annotation"
    whole = row["tissue_mm2"] + row["excluded_mm2"]
    assert area_px(tissue[0]) * 0.25e-6 == pytest.approx(whole, rel=0.02)


def test_gzip_holds_the_same(finished_results: Path, tmp_path: Path) -> None:
    assert exported(finished_results, tmp_path, "CD20") == exported(
        finished_results, tmp_path, "CD20", compress=True
    )


def test_exports_of_one_result_are_the_same_bytes(finished_results: Path, tmp_path: Path) -> None:
    first = export_results(finished_results, "geojson", tmp_path / "a")
    second = export_results(finished_results, "geojson", tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(first) == len(pd.read_csv(finished_results / "slides.csv"))


def test_what_cannot_be_exported_is_said(finished_results: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="geojson, ome-zarr"):
        export_results(finished_results, "shapefile", tmp_path)
    with pytest.raises(StoreError, match="P09: not among"):
        export_results(finished_results, "geojson", tmp_path, slide_ids=["P09"])
    assert not list(tmp_path.iterdir())
