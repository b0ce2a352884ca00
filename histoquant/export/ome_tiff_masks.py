"""Label images as tiled, pyramidal OME-TIFF: for ImageJ, QuPath and everything that reads Bio-Formats."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from histoquant.export.label_bands import half, label_bands
from histoquant.export.object_rings import ObjectRings
from histoquant.export.pyramid import band_rows, level_sizes, levelled
from histoquant.export.slide_objects import SlideObjects

TILE_PX = 512


def write_label_tiff(path: Path, objects: SlideObjects, rings: ObjectRings, name: str) -> None:
    """Write one label image, 0 for none, else the row of the object in its table counted from 1.

    Parameters
    ----------
    path : Path
        ``*.ome.tiff``.
    objects : SlideObjects
    rings : ObjectRings
        Cells or vessels.
    name : str
        Name of the image.

    Notes
    -----
    int32, since there may be more cells than uint16 tells apart; zlib; each smaller level takes every second
    pixel, so ids stay ids.
    """
    sizes = level_sizes(objects.plane_size_px)
    # smaller levels wait on disk until level 0 is written: TIFF wants one after the other
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        waiting = [
            np.memmap(Path(folder) / f"{k}.raw", np.int32, "w+", shape=(height, width))
            for k, (width, height) in enumerate(sizes)
        ]
        bands = label_bands(rings, objects.plane_size_px, band_rows(TILE_PX, len(sizes)))
        for level, row, part in levelled(bands, len(sizes), half):
            waiting[level][row : row + part.shape[0]] = part
        _write(path, waiting, objects.plane_mpp_xy, name)


def _write(path: Path, levels: list[Any], mpp_xy: tuple[float, float], name: str) -> None:
    metadata = {
        "axes": "YX",
        "Name": name,
        "PhysicalSizeX": mpp_xy[0],
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": mpp_xy[1],
        "PhysicalSizeYUnit": "µm",
    }
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as tiff:
        for k, image in enumerate(levels):
            tiff.write(
                _tiles(image),
                shape=image.shape,
                dtype=np.int32,
                tile=(TILE_PX, TILE_PX),
                compression="zlib",
                subifds=len(levels) - 1 if k == 0 else None,
                subfiletype=0 if k == 0 else 1,
                metadata=metadata if k == 0 else None,
            )


def _tiles(image: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    height, width = image.shape
    for y in range(0, height, TILE_PX):
        for x in range(0, width, TILE_PX):
            tile = np.zeros((TILE_PX, TILE_PX), np.int32)
            part = image[y : y + TILE_PX, x : x + TILE_PX]
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
