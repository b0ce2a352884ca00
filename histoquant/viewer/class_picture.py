"""Cells by class as a picture that is painted where it is looked at, at any zoom, from the tables alone.

300,000 outlines as shapes are more than a viewer bears, and a label image of a whole slide is a gigabyte that
would be painted anew for each threshold. This one holds the outlines, a class per cell, and paints a window
when napari asks for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.export.object_rings import ObjectRings

UInt8Array = NDArray[np.uint8]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
LEAST_PX = 512


class ClassPicture:
    """What napari takes for an array: classes of objects on the working plane, every ``step`` pixels.

    Parameters
    ----------
    rings : ObjectRings
        Outlines of objects 1 to n.
    classes : ndarray of uint8, shape (n,)
        Class of each object, 0 for not shown. Held, not copied: change it in place and refresh the layer.
    size_px : tuple of int
        Width and height of the working plane.
    step : int
        Pixels of the plane per pixel of the picture. From 4 on each object is at least the pixel that holds
        its middle, so that no cell is lost by zooming out; higher classes lie on top.
    """

    def __init__(
        self, rings: ObjectRings, classes: UInt8Array, size_px: tuple[int, int], step: int = 1
    ) -> None:
        self._rings = rings
        self._classes = classes
        self._boxes = _boxes(rings.offsets, rings.corners, rings.owner, len(classes))
        self._step = step
        self._size_px = size_px
        self.shape = (-(-size_px[1] // step), -(-size_px[0] // step))
        self.dtype = np.dtype(np.uint8)
        self.ndim = 2
        self.size = self.shape[0] * self.shape[1]

    @classmethod
    def levels(cls, rings: ObjectRings, classes: UInt8Array, size_px: tuple[int, int]) -> list[ClassPicture]:
        """The picture and its halvings until the longer side is at most 512; two or more, as napari asks."""
        found = [cls(rings, classes, size_px)]
        while len(found) < 2 or max(found[-1].shape) > LEAST_PX:
            found.append(cls(rings, classes, size_px, found[-1]._step * 2))
        return found

    def __getitem__(self, index: Any) -> UInt8Array:
        """Paint a window; numpy's basic indexing."""
        parts = index if isinstance(index, tuple) else (index,)
        parts = (*parts, *[slice(None)] * (2 - len(parts)))
        spans = [self._span(part, length) for part, length in zip(parts, self.shape, strict=True)]
        (top, bottom, down), (left, right, across) = spans
        picture: UInt8Array = np.zeros((max(0, bottom - top), max(0, right - left)), np.uint8)
        if picture.size:
            rings = self._rings
            _paint(
                picture,
                top,
                left,
                self._step,
                rings.offsets,
                rings.corners,
                rings.owner,
                self._classes,
                self._boxes,
            )
        picture = picture[::down, ::across]
        for axis in (1, 0):
            if not isinstance(parts[axis], slice):
                picture = np.asarray(picture.take(0, axis=axis), np.uint8)
        return picture

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The whole picture."""
        del copy
        whole = self[:, :]
        return whole if dtype is None else whole.astype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    @staticmethod
    def _span(part: Any, length: int) -> tuple[int, int, int]:
        if isinstance(part, slice):
            start, stop, step = part.indices(length)
            return start, stop, step
        at = int(part) + (length if part < 0 else 0)
        if not 0 <= at < length:
            raise IndexError(f"row or column {part} of {length}")
        return at, at + 1, 1


@njit(cache=True, nogil=True)
def _boxes(offsets: Int64Array, corners: Int32Array, owner: Int32Array, count: int) -> Int32Array:
    """Left, top, right, bottom of each object; empty boxes where it has no ring."""
    found = np.zeros((count, 4), np.int32)
    seen = np.zeros(count, np.bool_)
    for ring in range(len(owner)):
        k = owner[ring] - 1
        for i in range(offsets[ring], offsets[ring + 1]):
            x, y = corners[i, 0], corners[i, 1]
            if not seen[k]:
                found[k, 0], found[k, 1], found[k, 2], found[k, 3] = x, y, x, y
                seen[k] = True
            found[k, 0], found[k, 1] = min(found[k, 0], x), min(found[k, 1], y)
            found[k, 2], found[k, 3] = max(found[k, 2], x), max(found[k, 3], y)
    return found


@njit(cache=True, nogil=True)
def _paint(
    picture: UInt8Array,
    top: int,
    left: int,
    step: int,
    offsets: Int64Array,
    corners: Int32Array,
    owner: Int32Array,
    classes: UInt8Array,
    boxes: Int32Array,
) -> None:
    """Toggle at every vertical edge on the rows that are shown, sweep, and keep the highest class."""
    height, width = picture.shape
    y0, x0, y1, x1 = top * step, left * step, (top + height) * step, (left + width) * step
    row = np.zeros((64, 64), np.uint8)
    ring = 0
    while ring < len(owner):
        k = owner[ring] - 1
        last = ring
        while last + 1 < len(owner) and owner[last + 1] == owner[ring]:
            last += 1
        box, colour = boxes[k], classes[k]
        if colour and box[0] < x1 and box[2] > x0 and box[1] < y1 and box[3] > y0:
            first_row = max(-(-box[1] // step) - top, 0)
            end_row = min(-(-box[3] // step) - top, height)
            first_column = max(-(-box[0] // step) - left, 0)
            end_column = min(-(-box[2] // step) - left, width)
            high, wide = end_row - first_row, end_column - first_column
            if high > 0 and wide > 0:
                if high > row.shape[0] or wide + 1 > row.shape[1]:
                    row = np.zeros((max(high, row.shape[0]), max(wide + 1, row.shape[1])), np.uint8)
                row[:high, : wide + 1] = 0
                for r in range(ring, last + 1):
                    start, end = offsets[r], offsets[r + 1]
                    for i in range(start, end):
                        j = i + 1 if i + 1 < end else start
                        if corners[i, 0] != corners[j, 0]:
                            continue
                        low, until = min(corners[i, 1], corners[j, 1]), max(corners[i, 1], corners[j, 1])
                        a = max(-(-low // step) - top, first_row)
                        b = min(-(-until // step) - top, end_row)
                        c = min(max(-(-corners[i, 0] // step) - left, first_column), end_column)
                        for y in range(a, b):
                            row[y - first_row, c - first_column] ^= 1
                for y in range(high):
                    inside = np.uint8(0)
                    for x in range(wide):
                        inside ^= row[y, x]
                        if inside and picture[y + first_row, x + first_column] < colour:
                            picture[y + first_row, x + first_column] = colour
            if step >= 4:
                y = (box[1] + box[3]) // 2 // step - top
                x = (box[0] + box[2]) // 2 // step - left
                if 0 <= y < height and 0 <= x < width and picture[y, x] < colour:
                    picture[y, x] = colour
        ring = last + 1
