"""Outlines as GeoJSON text, a whole column at a time: a million cells leave no time for one by one."""

from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Ring = list[list[float]]

# Pixel centres are whole numbers in histoquant's tables, pixel corners are in QuPath and in GeoJSON.
CORNER_PX = 0.5


def ring_texts(outlines: pa.ListArray) -> pa.StringArray:
    """Each flat outline as the text of one closed ring.

    Parameters
    ----------
    outlines : pyarrow.ListArray of float
        x, y, x, y, ... in level-0 pixels, pixel centres at whole numbers.

    Returns
    -------
    pyarrow.StringArray
        ``[[x,y],[x,y],...]`` in level-0 pixels from the corner of the slide, first corner repeated last.
    """
    points = outlines.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2)
    points = points.astype(np.float64) + CORNER_PX
    corners = np.diff(outlines.offsets.to_numpy()) // 2
    first = np.cumsum(corners) - corners
    closed = corners + (corners > 0)
    ends = np.cumsum(closed)
    number = np.repeat(np.arange(len(corners)), closed)
    place = np.arange(int(closed.sum())) - np.repeat(ends - closed, closed)
    taken = first[number] + np.where(place == corners[number], 0, place)
    x, y = (pc.cast(pa.array(points[taken, axis]), pa.string()) for axis in (0, 1))
    pairs = pc.binary_join_element_wise(x, y, ",")
    lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], ends]).astype(np.int32)), pairs)
    joined = pc.binary_join(lists, "],[")
    return pc.binary_join_element_wise("[[", joined, "]]", "")


def closed_ring(flat: Any) -> Ring:
    """One flat outline as a closed GeoJSON ring, in level-0 pixels from the corner of the first pixel."""
    points = (np.asarray(flat, np.float64).reshape(-1, 2) + CORNER_PX).tolist()
    return [*points, points[0]] if points else []


def nested(rings: list[Ring]) -> list[list[Ring]]:
    """Outlines of one mask, outer ones and holes mixed, as polygons: each hole within the ring around it.

    Parameters
    ----------
    rings : list of rings
        Closed, as OpenCV traces them: holes run the other way round than outer rings.

    Returns
    -------
    list of polygons
        Each a list of rings, the outer one first; in the order in which outer rings came.
    """
    points = [np.asarray(ring, np.float64)[:-1] for ring in rings]
    areas = [_signed_area(each) for each in points]
    # the smallest ring around a hole is its own
    outer = sorted((k for k, area in enumerate(areas) if area > 0), key=lambda k: areas[k])
    polygons = {k: [rings[k]] for k in outer}
    for k, area in enumerate(areas):
        if area < 0:
            owner = next((o for o in outer if areas[o] > -area and _inside(points[o], points[k])), None)
            if owner is not None:
                polygons[owner].append(rings[k])
    return [polygons[k] for k in sorted(polygons)]


def polygon_text(polygons: list[list[Ring]]) -> str:
    """GeoJSON geometry of one polygon, or of several that are one object."""
    one = len(polygons) == 1
    geometry = {
        "type": "Polygon" if one else "MultiPolygon",
        "coordinates": polygons[0] if one else polygons,
    }
    return json.dumps(geometry, separators=(",", ":"))


def _signed_area(points: FloatArray) -> float:
    """Twice the area; positive for the direction in which OpenCV traces outer contours."""
    x, y = points[:, 0], points[:, 1]
    return float(np.sum(np.roll(x, -1) * y - x * np.roll(y, -1)))


def _inside(ring: FloatArray, hole: FloatArray) -> bool:
    polygon = ring.astype(np.float32).reshape(-1, 1, 2)
    return all(cv2.pointPolygonTest(polygon, (float(x), float(y)), False) >= 0 for x, y in hole)
