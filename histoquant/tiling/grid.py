"""The tile grid: half-open cores that partition a plane, visited only where there is tissue."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tile:
    """The core of one tile, in plane pixels; half-open, so each pixel belongs to exactly one tile.

    Attributes
    ----------
    x_px, y_px : int
        Top-left corner.
    width_px, height_px : int
        Extent; smaller at the right and bottom edge of the plane.
    """

    x_px: int
    y_px: int
    width_px: int
    height_px: int

    def owns(self, x_px: NDArray[np.integer], y_px: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether each plane pixel lies in the core."""
        in_x = (x_px >= self.x_px) & (x_px < self.x_px + self.width_px)
        in_y = (y_px >= self.y_px) & (y_px < self.y_px + self.height_px)
        return np.asarray(in_x & in_y)


def tissue_tiles(
    size_px: tuple[int, int], tile_size_px: int, mask: NDArray[np.bool_], scale_px: int
) -> list[Tile]:
    """Tiles whose core meets the mask, in reading order.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of the plane.
    tile_size_px : int
        Edge of a core.
    mask : ndarray of bool, shape (rows, columns)
        Where objects may begin; one mask pixel covers ``scale_px`` x ``scale_px`` plane pixels.
    scale_px : int
        Plane pixels per mask pixel.

    Returns
    -------
    list of Tile
    """
    width, height = size_px
    tiles = []
    for y in range(0, height, tile_size_px):
        for x in range(0, width, tile_size_px):
            tile = Tile(x, y, min(tile_size_px, width - x), min(tile_size_px, height - y))
            rows = slice(y // scale_px, -(-(y + tile.height_px) // scale_px))
            columns = slice(x // scale_px, -(-(x + tile.width_px) // scale_px))
            if mask[rows, columns].any():
                tiles.append(tile)
    return tiles


def widen(mask: NDArray[np.bool_], reach_px: int, scale_px: int) -> NDArray[np.bool_]:
    """Mask grown by a square of ``reach_px`` plane pixels, rounded up to whole mask pixels.

    An object that counts by its centroid may begin outside the mask; the widened mask says where its
    first pixel may lie, independent of any tiling.
    """
    steps = -(-reach_px // scale_px)
    square = np.ones((2 * steps + 1, 2 * steps + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), square), np.bool_)
