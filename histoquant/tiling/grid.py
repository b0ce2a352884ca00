"""The tile grid: half-open cores that share out the tissue of a plane, with few borders between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]


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

    @property
    def area_px(self) -> int:
        """Pixels of the core."""
        return self.width_px * self.height_px

    def owns(self, x_px: NDArray[np.integer], y_px: NDArray[np.integer]) -> BoolArray:
        """Whether each plane pixel lies in the core."""
        in_x = (x_px >= self.x_px) & (x_px < self.x_px + self.width_px)
        in_y = (y_px >= self.y_px) & (y_px < self.y_px + self.height_px)
        return np.asarray(in_x & in_y)


class _Box(NamedTuple):
    """Half-open spans of rows and columns."""

    top: int
    bottom: int
    left: int
    right: int


def tissue_tiles(
    size_px: tuple[int, int], tile_size_px: int, halo_px: int, mask: BoolArray, scale_px: int
) -> list[Tile]:
    """Cores that cover the mask, none with a larger window than a square tile's.

    Parts of the mask that are farther apart than two windows reach are shared out each for itself, into equal
    rows and columns, as many as show the fewest pixels. Each core is cut down to the box of the mask in it:
    what lies beside the box costs nothing, and no object that counts is lost with it.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of the plane.
    tile_size_px : int
        Edge of the square core that with its halo is the largest window.
    halo_px : int
        Shown around a core.
    mask : ndarray of bool, shape (rows, columns)
        Where objects may begin; one mask pixel covers ``scale_px`` x ``scale_px`` plane pixels.
    scale_px : int
        Plane pixels per mask pixel.

    Returns
    -------
    list of Tile
        Part by part, each in reading order.
    """
    width, height = size_px
    tiles: list[Tile] = []
    for part in _parts(mask, _Box(0, mask.shape[0], 0, mask.shape[1]), 4 * halo_px // scale_px):
        box = _Box(
            part.top * scale_px,
            min(part.bottom * scale_px, height),
            part.left * scale_px,
            min(part.right * scale_px, width),
        )
        for core in _shared(box, tile_size_px, halo_px):
            tiles += _cut(core, mask, scale_px)
    return tiles


def _parts(mask: BoolArray, box: _Box, apart: int) -> Iterator[_Box]:
    """Boxes of what the mask holds in a box, more than so many empty rows or columns between them."""
    part = mask[box.top : box.bottom, box.left : box.right]
    rows, columns = (_stretches(np.asarray(part.any(axis=axis)), apart) for axis in (1, 0))
    found = [
        _Box(box.top + top, box.top + bottom, box.left + left, box.left + right)
        for top, bottom in rows
        for left, right in columns
    ]
    if found == [box]:
        yield box
        return
    for inner in found:
        yield from _parts(mask, inner, apart)


def _stretches(there: BoolArray, apart: int) -> list[tuple[int, int]]:
    """Half-open spans that hold all that is there, more than so much empty between them."""
    places = np.flatnonzero(there)
    if not len(places):
        return []
    gaps = np.flatnonzero(np.diff(places) > apart + 1)
    first, last = np.append(places[0], places[gaps + 1]), np.append(places[gaps], places[-1])
    return [(int(start), int(end) + 1) for start, end in zip(first, last, strict=True)]


def _shared(box: _Box, tile_size_px: int, halo_px: int) -> Iterator[_Box]:
    """Equal rows and columns of a box, of those that memory allows the ones with the fewest borders."""
    height, width = box.bottom - box.top, box.right - box.left
    most = (tile_size_px + 2 * halo_px) ** 2
    ways = []
    for rows in range(-(-height // tile_size_px), 2 * -(-height // tile_size_px) + 1):
        widest = most // (-(-height // rows) + 2 * halo_px) - 2 * halo_px
        columns = -(-width // widest)
        ways.append(((height + 2 * halo_px * rows) * (width + 2 * halo_px * columns), rows, columns))
    _, rows, columns = min(ways)
    for row in range(rows):
        for column in range(columns):
            yield _Box(
                box.top + row * height // rows,
                box.top + (row + 1) * height // rows,
                box.left + column * width // columns,
                box.left + (column + 1) * width // columns,
            )


def _cut(core: _Box, mask: BoolArray, scale_px: int) -> Iterator[Tile]:
    """A core as far as the mask reaches in it; none where it holds nothing of it."""
    first_row, first_column = core.top // scale_px, core.left // scale_px
    part = mask[first_row : -(-core.bottom // scale_px), first_column : -(-core.right // scale_px)]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if len(rows):
        top, bottom = _within((core.top, core.bottom), first_row + rows, scale_px)
        left, right = _within((core.left, core.right), first_column + columns, scale_px)
        yield Tile(left, top, right - left, bottom - top)


def _within(span_px: tuple[int, int], mask_px: NDArray[np.intp], scale_px: int) -> tuple[int, int]:
    """A span of plane pixels as far as the first and the last of these mask pixels."""
    first, last = int(mask_px[0]), int(mask_px[-1])
    return max(span_px[0], first * scale_px), min(span_px[1], (last + 1) * scale_px)


def widen(mask: BoolArray, reach_px: int, scale_px: int) -> BoolArray:
    """Mask grown by a square of ``reach_px`` plane pixels, rounded up to whole mask pixels.

    An object that counts by its centroid may begin outside the mask; the widened mask says where its
    first pixel may lie, independent of any tiling.
    """
    steps = -(-reach_px // scale_px)
    square = np.ones((2 * steps + 1, 2 * steps + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), square), np.bool_)
