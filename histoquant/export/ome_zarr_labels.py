"""Label pyramids, and the image under them, as OME-Zarr 0.5 (NGFF)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from ome_zarr.format import FormatV05
from ome_zarr.writer import write_label_metadata, write_multiscales_metadata

from histoquant.export.label_bands import half, label_bands
from histoquant.export.object_rings import ObjectRings, cell_rings, vessel_rings
from histoquant.export.pyramid import band_rows, half_rgb, level_sizes, levelled
from histoquant.export.slide_objects import SlideObjects
from histoquant.report.palette import NEGATIVE, POSITIVE, VESSEL
from histoquant.slides.plane import Plane

CHUNK_PX = 512
_FORMAT = FormatV05()


def write_ome_zarr(folder: Path, objects: SlideObjects, plane: Plane | None) -> None:
    """Write one slide as an OME-Zarr image with label pyramids ``cells`` and, for CD31, ``vessels``.

    Parameters
    ----------
    folder : Path
        ``<slide_id>.ome.zarr``; must not exist.
    objects : SlideObjects
    plane : Plane or None
        Working plane of the slide, for the image; None writes labels alone.

    Notes
    -----
    Labels are row numbers of the object tables counted from 1; each label's properties hold its ``cell_id``
    or ``vessel_id`` and class. Every level takes every second pixel of the one below, so ids stay ids.
    """
    root = zarr.open_group(folder, mode="w-", zarr_format=3)
    if plane is not None:
        _write_levels(root, _rgb_bands(plane), objects, "rgb", objects.slide_id)
    labels = root.create_group("labels")
    cells = objects.cells
    kept = [name for name in ("cell_id", "positive", "unscorable") if name in cells.column_names]
    ids = {name: cells[name].to_pylist() for name in kept}
    _write_labels(
        labels, "cells", objects, cell_rings(_outlines(objects), objects.factor_xy), ids, _cell_color
    )
    if not objects.vessels.empty:
        named = {name: objects.vessels[name].tolist() for name in ("vessel_id", "vessel")}
        rings = vessel_rings(objects.vessels, objects.factor_xy)
        _write_labels(labels, "vessels", objects, rings, named, lambda row: (*VESSEL, 255))


def _outlines(objects: SlideObjects) -> Any:
    return objects.cells["outline_xy_px"].combine_chunks()


def _cell_color(row: dict[str, Any]) -> tuple[int, int, int, int]:
    return (*(POSITIVE if row.get("positive") else NEGATIVE), 255)


def _write_labels(
    labels: zarr.Group,
    name: str,
    objects: SlideObjects,
    rings: ObjectRings,
    columns: dict[str, list[Any]],
    color: Any,
) -> None:
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    group = labels.create_group(name)
    levels = len(level_sizes(objects.plane_size_px))
    bands = label_bands(rings, objects.plane_size_px, band_rows(CHUNK_PX, levels))
    _write_levels(group, bands, objects, "labels", name)
    write_label_metadata(
        labels,
        name,
        colors=[{"label-value": i, "rgba": list(color(row))} for i, row in enumerate(rows, start=1)],
        properties=[{"label-value": i, **row} for i, row in enumerate(rows, start=1)],
        fmt=_FORMAT,
    )


def _rgb_bands(plane: Plane) -> Iterator[NDArray[np.uint8]]:
    width, height = plane.size_px
    rows = band_rows(CHUNK_PX, len(level_sizes(plane.size_px)))
    for start in range(0, height, rows):
        yield plane.read(0, start, width, min(rows, height - start))[0]


def _write_levels(
    group: zarr.Group, bands: Iterator[NDArray[Any]], objects: SlideObjects, kind: str, name: str
) -> None:
    rgb = kind == "rgb"
    arrays, datasets = [], []
    for level, (width, height) in enumerate(level_sizes(objects.plane_size_px)):
        channels = (3,) if rgb else ()
        chunk = (min(CHUNK_PX, height), min(CHUNK_PX, width))
        arrays.append(
            group.create_array(
                str(level),
                shape=(*channels, height, width),
                chunks=(*channels, *chunk),
                dtype="uint8" if rgb else "int32",
                dimension_names=[*(["c"] if rgb else []), "y", "x"],
            )
        )
        um = [mpp * 2.0**level for mpp in reversed(objects.plane_mpp_xy)]
        scale = [*([1.0] if rgb else []), *um]
        datasets.append(
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    for level, row, part in levelled(bands, len(arrays), half_rgb if rgb else half):
        stop = row + part.shape[0]
        arrays[level][..., row:stop, :] = np.moveaxis(part, -1, 0) if rgb else part
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in ("y", "x")]
    axes = [{"name": "c", "type": "channel"}, *space] if rgb else space
    write_multiscales_metadata(group, datasets, fmt=_FORMAT, axes=axes, name=name)
