"""Regions drawn in a viewer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from histoquant.errors import StudyError
from histoquant.study.annotations import annotation_file, read_regions, region_mask


def _feature(kind: str, coordinates: object, name: str = "Lumen") -> dict[str, object]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {"objectType": "annotation", "classification": {"name": name, "color": [1, 2, 3]}},
    }


SQUARE = [[0, 0], [64, 0], [64, 32], [0, 32], [0, 0]]


def _write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_lumen_covers_its_pixels(tmp_path: Path, wrapped: bool) -> None:
    feature = _feature("Polygon", [SQUARE])
    content = {"type": "FeatureCollection", "features": [feature]} if wrapped else [feature]
    regions = read_regions(_write(tmp_path / "a.geojson", content))
    mask = region_mask(regions, "lumen", (10, 12), (8.0, 8.0))
    rows, columns = np.nonzero(mask)
    # 8 x 4 map pixels lie inside; the fill may take its rim as well
    assert mask[:4, :8].all()
    assert rows.max() <= 4
    assert columns.max() <= 8


def test_a_hole_is_no_lumen_and_other_classes_do_not_count(tmp_path: Path) -> None:
    outer = [[0, 0], [160, 0], [160, 160], [0, 160], [0, 0]]
    hole = [[48, 48], [112, 48], [112, 112], [48, 112], [48, 48]]
    content = [_feature("MultiPolygon", [[outer, hole]]), _feature("Polygon", [outer], "Tumor")]
    mask = region_mask(read_regions(_write(tmp_path / "a.geojson", content)), "lumen", (20, 20), (8.0, 8.0))
    assert mask[1, 1]
    assert not mask[10, 10]
    only_tumour = read_regions(_write(tmp_path / "b.geojson", content[1:]))
    assert len(only_tumour) == 1
    assert not region_mask(only_tumour, "lumen", (20, 20), (8.0, 8.0)).any()


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Lumen", "lumen"),
        ("INCLUDE", "include"),
        (" exclude ", "exclude"),
        ("Ignore*", "exclude"),
        ("Tumor", None),
        # what this library exports itself is no order to leave it out
        ("Excluded: fold", None),
        ("Tissue", None),
        ("", None),
    ],
)
def test_the_class_says_what_a_region_is_for(tmp_path: Path, name: str, role: str | None) -> None:
    (region,) = read_regions(_write(tmp_path / "a.geojson", [_feature("Polygon", [SQUARE], name)]))
    assert region.role == role


def test_points_are_passed_over(tmp_path: Path) -> None:
    assert read_regions(_write(tmp_path / "a.geojson", [_feature("Point", [3, 4])])) == []


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[1, 2]",
        json.dumps([_feature("Polygon", [])]),
        json.dumps([_feature("Polygon", [[[0, 0], [1, 1]]])]),
        json.dumps([_feature("Polygon", [[[0, 0], [1, "x"], [2, 2]]])]),
        json.dumps([_feature("Polygon", [[[0, 0], [1, 1e300], [2, 2]]])]),
        # found by tests/faults/test_fuzz.py
        json.dumps([_feature("MultiPolygon", 1)]),
        json.dumps([_feature("Polygon", [[[0, 0], [1, 10**400], [2, 2]]])]),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "P01.geojson"
    path.write_text(text)
    with pytest.raises(StudyError, match=r"P01\.geojson"):
        read_regions(path)


def test_the_file_is_looked_for_beside_the_slide(tmp_path: Path) -> None:
    slide = tmp_path / "P01.svs"
    assert annotation_file(slide) is None
    short = _write(tmp_path / "P01.geojson", [])
    assert annotation_file(slide) == short
    full = _write(tmp_path / "P01.svs.geojson", [])
    assert annotation_file(slide) == full
