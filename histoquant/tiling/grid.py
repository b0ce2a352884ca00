"""The tile grid: half-open cores that share out a plane, each cut down to where there is tissue."""

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
        Extent.
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
    """Tiles whose core meets the mask, cut down to the box of the mask in it, in reading order.

    What lies beside the box costs nothing, and no object that counts is lost with it.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of the plane.
    tile_size_px : int
        Longest edge of a core.
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
            right, bottom = min(x + tile_size_px, width), min(y + tile_size_px, height)
            first_row, first_column = y // scale_px, x // scale_px
            part = mask[first_row : -(-bottom // scale_px), first_column : -(-right // scale_px)]
            rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
            if len(rows):
                top, bottom = _cut((y, bottom), first_row + rows, scale_px)
                left, right = _cut((x, right), first_column + columns, scale_px)
                tiles.append(Tile(left, top, right - left, bottom - top))
    return tiles


def _cut(span_px: tuple[int, int], mask_px: NDArray[np.intp], scale_px: int) -> tuple[int, int]:
    """A span of plane pixels as far as the first and the last of these mask pixels."""
    first, last = int(mask_px[0]), int(mask_px[-1])
    return max(span_px[0], first * scale_px), min(span_px[1], (last + 1) * scale_px)


def widen(mask: NDArray[np.bool_], reach_px: int, scale_px: int) -> NDArray[np.bool_]:
    """Mask grown by a square of ``reach_px`` plane pixels, rounded up to whole mask pixels.

    An object that counts by its centroid may begin outside the mask; the widened mask says where its
    first pixel may lie, independent of any tiling.
    """
    steps = -(-reach_px // scale_px)
    square = np.ones((2 * steps + 1, 2 * steps + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), square), np.bool_)
