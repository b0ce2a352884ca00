"""Results of one slide as GeoJSON objects that QuPath takes: cells, vessels, aggregates, tissue, exclusions.

Keys are those of QuPath's own reader (``QuPathTypeAdapters.java``): ``id``, ``geometry``, and in
``properties`` ``objectType``, ``name``, ``classification``, ``isLocked``, ``measurements``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from histoquant.export.object_rings import level0_corners, vessel_rings
from histoquant.export.rings import closed_ring, nested, polygon_text, ring_texts
from histoquant.export.slide_objects import SlideObjects
from histoquant.report.palette import AGGREGATE, NEGATIVE, POSITIVE, TISSUE, VESSEL, hatch_for

CHUNK = 10_000
"""Cells put into text at once: what bounds the memory of an export, however many cells there are."""
UNSCORABLE_RGB = (128, 128, 128)
_NO_MEASUREMENT = ("x_px", "y_px", "positive", "unscorable", "vessel")


def geojson_parts(objects: SlideObjects) -> Iterator[bytes]:
    """A feature collection in pieces, which together are one JSON document.

    Parameters
    ----------
    objects : SlideObjects

    Yields
    ------
    bytes
        Coordinates are level-0 pixels from the corner of the slide; measurements keep the tables' names and
        units, and what was not measured is left out.
    """
    yield b'{"type":"FeatureCollection","features":[\n'
    separator = b""
    for text in (*_regions(objects), *_aggregates(objects), *_vessels(objects)):
        yield separator + text.encode()
        separator = b",\n"
    for cells in objects.cell_chunks(CHUNK):
        yield separator + _cells(objects.slide_id, cells)
        separator = b",\n"
    yield b"\n]}\n"


def class_names(cells: pa.Table) -> pa.StringArray:
    """``Positive``, ``Negative``, ``Unscorable``, or ``Nucleus`` where the marker classes no cells."""
    if "positive" not in cells.column_names:
        return pa.array(["Nucleus"] * cells.num_rows, pa.string())
    positive = cells["positive"].combine_chunks()
    named = pc.if_else(pc.cast(positive, pa.bool_()), "Positive", "Negative")
    named = pc.fill_null(named, "Nucleus")
    if "unscorable" in cells.column_names:
        named = pc.if_else(pc.fill_null(cells["unscorable"].combine_chunks(), False), "Unscorable", named)
    return named


def measurement_names(table: pa.Table) -> list[str]:
    """Numeric columns that describe an object rather than place or class it."""
    return [
        field.name
        for field in table.schema
        if (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
        and field.name not in _NO_MEASUREMENT
        and not field.name.endswith("_id")
    ]


def _cells(slide_id: str, cells: pa.Table) -> bytes:
    """Features of the cells, one a line."""
    outlines = cells["outline_xy_px"].combine_chunks()
    names = class_names(cells)
    colors = {"Positive": POSITIVE, "Negative": NEGATIVE, "Nucleus": NEGATIVE, "Unscorable": UNSCORABLE_RGB}
    classes = {name: _classification(name, color) for name, color in colors.items()}
    ids = _uuids(slide_id, "cell", cells["cell_id"].to_numpy())
    texts = pc.binary_join_element_wise(
        '{"type":"Feature","id":"',
        pa.array(ids),
        '","geometry":{"type":"Polygon","coordinates":[',
        ring_texts(outlines),
        ']},"properties":{"objectType":"cell",',
        pa.array([classes[name] for name in names.to_pylist()]),
        ',"measurements":{',
        _measurements(cells),
        "}}}",
        "",
    )
    one_list = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return bytes(pc.binary_join(one_list, ",\n")[0].as_buffer())


def _measurements(table: pa.Table) -> pa.StringArray:
    """``"name":value,...`` of each row; empty and infinite values are left out."""
    parts = []
    for name in measurement_names(table):
        values = table[name].combine_chunks()
        if pa.types.is_floating(values.type):
            values = pc.if_else(pc.is_finite(values), values, None)
        parts.append(pc.binary_join_element_wise(json.dumps(name) + ":", pc.cast(values, pa.string()), ""))
    return pc.binary_join_element_wise(*parts, ",", null_handling="skip")


def _classification(name: str, color: tuple[int, int, int]) -> str:
    return '"classification":' + json.dumps({"name": name, "color": list(color)}, separators=(",", ":"))


def _uuids(slide_id: str, kind: str, ids: Any) -> list[str]:
    """UUIDs (version 8, RFC 9562) of a slide's objects: the same object has the same one in every export."""
    digest = hashlib.sha256(f"{slide_id}\0{kind}".encode()).hexdigest()
    head, tail = f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}", digest[15:17]
    return [f"{head}-8{tail}{(i >> 48) & 0xF:x}-{i & 0xFFFFFFFFFFFF:012x}" for i in np.asarray(ids).tolist()]


def _feature(
    object_id: str,
    kind: str,
    name: str,
    color: tuple[int, int, int],
    geometry: str,
    measurements: dict[str, float],
) -> str:
    kept = {key: value for key, value in measurements.items() if np.isfinite(value)}
    return (
        f'{{"type":"Feature","id":"{object_id}","geometry":{geometry},"properties":{{"objectType":"{kind}",'
        f'{_classification(name, color)},"isLocked":true,"measurements":{json.dumps(kept)}}}}}'
    )


def _numbers(row: Any, names: list[str]) -> dict[str, float]:
    values = {name: getattr(row, name) for name in names}
    return {name: float(value) for name, value in values.items() if value is not None}


def _numeric(table: pd.DataFrame) -> list[str]:
    names = table.select_dtypes("number").columns
    return [str(name) for name in names if name not in _NO_MEASUREMENT and not name.endswith("_id")]


def _vessels(objects: SlideObjects) -> Iterator[str]:
    table = objects.vessels
    if table.empty:
        return
    names = _numeric(table)
    rings = vessel_rings(table, objects.factor_xy)
    ids = _uuids(objects.slide_id, "vessel", table["vessel_id"])
    rows = zip(ids, table.itertuples(index=False), strict=True)
    for number, (object_id, row) in enumerate(rows, start=1):
        polygons = nested([level0_corners(ring, objects.factor_xy) for ring in rings.of(number)])
        name, color = ("Vessel", VESSEL) if row.vessel else ("CD31 non-vascular", UNSCORABLE_RGB)
        yield _feature(object_id, "detection", name, color, polygon_text(polygons), _numbers(row, names))


def _aggregates(objects: SlideObjects) -> Iterator[str]:
    table = objects.aggregates
    names = _numeric(table)
    ids = _uuids(objects.slide_id, "aggregate", table["aggregate_id"]) if len(table) else []
    for object_id, row in zip(ids, table.itertuples(index=False), strict=True):
        geometry = polygon_text([[closed_ring(row.outline_xy_px)]])
        yield _feature(object_id, "annotation", "Aggregate", AGGREGATE, geometry, _numbers(row, names))


def _regions(objects: SlideObjects) -> Iterator[str]:
    """One annotation a kind: QuPath then sums its area as the slide table does."""
    if objects.regions.empty:
        return
    for kind, rows in objects.regions.groupby("kind", sort=True):
        name = "Tissue" if kind == "tissue" else f"Excluded: {kind}"
        color = TISSUE if kind == "tissue" else hatch_for(str(kind)).color
        geometry = polygon_text(nested([closed_ring(flat) for flat in rows["outline_xy_px"]]))
        object_id = _uuids(objects.slide_id, f"region {kind}", [0])[0]
        yield _feature(object_id, "annotation", name, color, geometry, {})
