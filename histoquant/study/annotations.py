"""Regions a person drew on a slide, as QuPath exports them: a GeoJSON file beside the slide."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from histoquant.errors import StudyError

RegionRole = Literal["lumen", "include", "exclude"]
"""What a drawn region is for: distances start at a lumen; only what is included and not excluded counts."""
_CLASSES: dict[RegionRole, tuple[str, ...]] = {
    "lumen": ("lumen", "tract lumen", "tract", "fistula", "fistula lumen"),
    "include": ("include", "included", "roi", "region of interest"),
    # QuPath's own class for what its commands shall pass over ends in a star
    "exclude": ("exclude", "excluded", "ignore", "ignore*"),
}
_ROLES = {name: role for role, names in _CLASSES.items() for name in names}
_MAX_BYTES = 64_000_000
_SUB = 16  # fillPoly takes sixteenths of a pixel
_SHIFT = 4


@dataclass(frozen=True)
class Region:
    """One drawn region.

    Attributes
    ----------
    name : str
        Class given in the viewer, or the region's own name; empty where it has none.
    rings_px : tuple of ndarray of float64, shape (n, 2)
        Closed rings x, y in level-0 pixels from the corner of the slide; a hole is a ring within a ring.
    """

    name: str
    rings_px: tuple[NDArray[np.float64], ...]

    @property
    def role(self) -> RegionRole | None:
        """What the class says the region is for, in any case of letters; None for every other class."""
        return _ROLES.get(self.name.strip().casefold())


def annotation_file(slide: Path) -> Path | None:
    """The GeoJSON beside a slide: ``P01.svs.geojson`` or ``P01.geojson``; None where there is neither."""
    for path in (slide.with_name(slide.name + ".geojson"), slide.with_suffix(".geojson")):
        with contextlib.suppress(OSError):  # the longer name may be too long
            if path.is_file():
                return path
    return None


def read_regions(path: Path) -> list[Region]:
    """Read the polygons of a GeoJSON file.

    Parameters
    ----------
    path : Path
        A feature collection, a list of features, or one feature, as QuPath writes them.

    Returns
    -------
    list of Region
        In the file's order; points and lines are passed over.

    Raises
    ------
    StudyError
        If the file is no GeoJSON, or a polygon in it is broken.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise StudyError(f"{path.name}: over 64 MB. Export annotations only, not detections.")
    try:
        content = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise StudyError(
            f"{path.name}: is no GeoJSON ({error}). Export it from QuPath again: "
            "File, Export objects as GeoJSON."
        ) from error
    return [
        Region(_name(feature), rings)
        for number, feature in enumerate(_features(content, path), start=1)
        for rings in _polygons(feature, f"{path.name}, feature {number}")
    ]


def region_mask(
    regions: list[Region], role: RegionRole, shape: tuple[int, int], pixel_px: tuple[float, float]
) -> NDArray[np.bool_]:
    """Map pixels in the regions of one role.

    Parameters
    ----------
    regions : list of Region
    role : {"lumen", "include", "exclude"}
    shape : tuple of int
        Rows and columns of the map.
    pixel_px : tuple of float
        Level-0 pixels per map pixel, x and y.

    Returns
    -------
    ndarray of bool, shape ``shape``
    """
    mask = np.zeros(shape, np.uint8)
    for region in regions:
        if region.role != role:
            continue
        one = np.zeros(shape, np.uint8)
        # a map pixel's centre is at half, fillPoly's at a whole number
        rings = [
            np.rint((ring / np.asarray(pixel_px) - 0.5) * _SUB).astype(np.int32) for ring in region.rings_px
        ]
        cv2.fillPoly(one, rings, 1, lineType=cv2.LINE_8, shift=_SHIFT)
        mask |= one
    return np.asarray(mask.astype(bool))


def _features(content: Any, path: Path) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        content = content.get("features")
    features = [content] if isinstance(content, dict) else content
    if not isinstance(features, list) or not all(isinstance(one, dict) for one in features):
        raise StudyError(f"{path.name}: holds no GeoJSON features. Export annotations from QuPath again.")
    yield from features


def _name(feature: Mapping[str, Any]) -> str:
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        return ""
    kind = properties.get("classification")
    name = kind.get("name") if isinstance(kind, dict) else properties.get("name")
    return name if isinstance(name, str) else ""


def _polygons(feature: Mapping[str, Any], where: str) -> Iterator[tuple[NDArray[np.float64], ...]]:
    geometry = feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind not in ("Polygon", "MultiPolygon"):
        return
    coordinates = geometry.get("coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list):
        raise StudyError(f"{where}: polygons without coordinates. Draw the region again.")
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            raise StudyError(f"{where}: a polygon without coordinates. Draw the region again.")
        yield tuple(_ring(ring, where) for ring in polygon)


def _ring(ring: Any, where: str) -> NDArray[np.float64]:
    try:
        points = np.asarray([[float(x), float(y)] for x, y, *_ in ring], np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise StudyError(f"{where}: a corner is no pair of numbers. Draw the region again.") from error
    if len(points) < 3 or not all(math.isfinite(v) and abs(v) < 1e7 for v in points.ravel()):
        raise StudyError(f"{where}: a ring of {len(points)} corners, or one far outside. Draw it again.")
    return points
