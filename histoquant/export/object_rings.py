"""Outlines of cells and vessels on the working plane, as the pixel edges they were traced along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.tiling.mask_edges import mask_edges

Int64Array = NDArray[np.int64]
Int32Array = NDArray[np.int32]


@dataclass(frozen=True)
class ObjectRings:
    """Rings of objects 1 to n; an object is what its rings enclose an odd number of times.

    Attributes
    ----------
    offsets : ndarray of int64, shape (r + 1,)
        Ring ``i`` is ``corners[offsets[i]:offsets[i + 1]]``.
    corners : ndarray of int32, shape (k, 2)
        x, y of pixel corners of the working plane; pixel 0 spans 0 to 1.
    owner : ndarray of int32, shape (r,)
        Number of each ring's object, rows of the table counted from 1, in ascending order.
    """

    offsets: Int64Array
    corners: Int32Array
    owner: Int32Array

    def of(self, number: int) -> list[Int32Array]:
        """Rings of one object."""
        first, last = np.searchsorted(self.owner, (number, number + 1))
        return [self.corners[self.offsets[i] : self.offsets[i + 1]] for i in range(first, last)]


def cell_rings(outlines: pa.ListArray, factor_xy: tuple[float, float]) -> ObjectRings:
    """Rings of the cell table's outlines.

    Parameters
    ----------
    outlines : pyarrow.ListArray of float32
        ``outline_xy_px``: level-0 pixels, pixel centres at whole numbers.
    factor_xy : tuple of float
        Level-0 pixels per plane pixel.

    Returns
    -------
    ObjectRings
    """
    points = outlines.flatten().to_numpy(zero_copy_only=False).reshape(-1, 2).astype(np.float64)
    corners = np.rint((points + 0.5) / np.asarray(factor_xy)).astype(np.int32)
    offsets = np.asarray(outlines.offsets.to_numpy(), np.int64) // 2
    return ObjectRings(offsets - offsets[0], corners, np.arange(1, len(offsets), dtype=np.int32))


def vessel_rings(vessels: pd.DataFrame, factor_xy: tuple[float, float]) -> ObjectRings:
    """Rings of the vessel table: walls without their lumens.

    Parameters
    ----------
    vessels : pandas.DataFrame
        ``outer_xy_px``, ``lumens_xy_px``: through the centres of the outermost pixels, level-0 pixels.
    factor_xy : tuple of float

    Returns
    -------
    ObjectRings
    """
    rings: list[Int32Array] = []
    owner: list[int] = []
    walls = zip(vessels["outer_xy_px"], vessels["lumens_xy_px"], strict=True)
    for number, (outer, lumens) in enumerate(walls, start=1):
        found = _wall(_plane_px(outer, factor_xy), [_plane_px(lumen, factor_xy) for lumen in lumens])
        rings += found
        owner += [number] * len(found)
    lengths = [len(ring) for ring in rings]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    corners = np.concatenate([np.zeros((0, 2), np.int32), *rings])
    return ObjectRings(offsets, corners, np.asarray(owner, np.int32))


def level0_corners(ring: Int32Array, factor_xy: tuple[float, float]) -> list[list[float]]:
    """A ring in level-0 pixels from the corner of the slide, its first corner repeated last."""
    points: list[list[float]] = (ring * np.asarray(factor_xy)).tolist()
    return [*points, points[0]]


def _plane_px(flat: Any, factor_xy: tuple[float, float]) -> Int32Array:
    points = np.asarray(flat, np.float64).reshape(-1, 2)
    return np.asarray(np.rint((points + 0.5) / np.asarray(factor_xy) - 0.5), np.int32)


def _wall(outer: Int32Array, lumens: list[Int32Array]) -> list[Int32Array]:
    low = outer.min(axis=0)
    width, height = (outer.max(axis=0) - low + 1).tolist()
    mask = np.zeros((height, width), np.uint8)
    cv2.drawContours(mask, [outer - low], -1, 1, cv2.FILLED)
    for lumen in lumens:
        cv2.drawContours(mask, [lumen - low], -1, 0, cv2.FILLED)
    return [(ring + low).astype(np.int32) for ring in mask_edges(mask.astype(np.bool_))]
