"""Cells by class as a picture that is painted where it is looked at, at any zoom, from the tables alone.

300,000 outlines as shapes are more than a viewer bears, and a label image of a whole slide is a gigabyte that
would be painted anew for each threshold. This one holds the outlines, a class per cell, and paints a window
when napari asks for it.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.export.object_rings import ObjectRings

UInt8Array = NDArray[np.uint8]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
LEAST_PX = 512
FAR = 4
"""Pixels of the plane per pixel of the picture from which on objects are dots rather than outlines."""
BLOCK = 256


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
    outline_px : int
        Width of outlines inside the edge of an object; 0 fills it. From step 4 on all are filled. Painted
        here, because napari finds outlines with filters over the whole window for every frame.
    """

    def __init__(
        self,
        rings: ObjectRings,
        classes: UInt8Array,
        size_px: tuple[int, int],
        step: int = 1,
        outline_px: int = 0,
    ) -> None:
        self._rings = rings
        self._classes = classes
        self._boxes = _boxes(rings.offsets, rings.corners, rings.owner, len(classes))
        self._blocks = _blocks(self._boxes, rings.owner)
        self._step = step
        self._outline_px = outline_px if step < FAR else 0
        self._size_px = size_px
        self.dtype = np.dtype(np.uint8)
        self.ndim = 2
        self._set_shape()

    @classmethod
    def levels(
        cls, rings: ObjectRings, classes: UInt8Array, size_px: tuple[int, int], outline_px: int = 0
    ) -> list[ClassPicture]:
        """The picture and its halvings until the longer side is at most 512; two or more, as napari asks."""
        found = [cls(rings, classes, size_px, 1, outline_px)]
        while len(found) < 2 or max(found[-1].shape) > LEAST_PX:
            found.append(found[-1]._halved(outline_px))
        return found

    def _halved(self, outline_px: int) -> ClassPicture:
        """The next level; it shares the index of this one."""
        step = self._step * 2
        half = copy(self)
        half._step, half._outline_px = step, outline_px if step < FAR else 0
        half._set_shape()
        return half

    def _set_shape(self) -> None:
        self.shape = (-(-self._size_px[1] // self._step), -(-self._size_px[0] // self._step))
        self.size = self.shape[0] * self.shape[1]

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
                self._outline_px,
                rings.offsets,
                rings.corners,
                rings.owner,
                self._classes,
                self._boxes,
                self._blocks,
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
def _blocks(boxes: Int32Array, owner: Int32Array) -> Int32Array:
    """Bounding box of every `BLOCK` rings, so that a window passes over what lies elsewhere."""
    count = -(-len(owner) // BLOCK)
    found = np.empty((count, 4), np.int32)
    for b in range(count):
        found[b] = boxes[owner[b * BLOCK] - 1]
        for ring in range(b * BLOCK, min((b + 1) * BLOCK, len(owner))):
            box = boxes[owner[ring] - 1]
            found[b, 0], found[b, 1] = min(found[b, 0], box[0]), min(found[b, 1], box[1])
            found[b, 2], found[b, 3] = max(found[b, 2], box[2]), max(found[b, 3], box[3])
    return found


@njit(cache=True, nogil=True)
def _paint(
    picture: UInt8Array,
    top: int,
    left: int,
    step: int,
    outline: int,
    offsets: Int64Array,
    corners: Int32Array,
    owner: Int32Array,
    classes: UInt8Array,
    boxes: Int32Array,
    blocks: Int32Array,
) -> None:
    """Paint the objects of a window, the highest class on top."""
    height, width = picture.shape
    y0, x0, y1, x1 = top * step, left * step, (top + height) * step, (left + width) * step
    mask = np.zeros((64, 64), np.uint8)
    for b in range(len(blocks)):
        block = blocks[b]
        if block[0] >= x1 or block[2] <= x0 or block[1] >= y1 or block[3] <= y0:
            continue
        ring = b * BLOCK
        while ring < min((b + 1) * BLOCK, len(owner)):
            k = owner[ring] - 1
            if ring > 0 and owner[ring - 1] == owner[ring]:
                ring += 1  # one object's rings are painted together, by the block that holds the first
                continue
            end = ring + 1
            while end < len(owner) and owner[end] == owner[ring]:
                end += 1
            box, colour = boxes[k], classes[k]
            if colour and box[0] < x1 and box[2] > x0 and box[1] < y1 and box[3] > y0:
                # beyond the window as far as an outline asks whether its object goes on
                row, column = (
                    max(-(-box[1] // step) - top, -outline),
                    max(-(-box[0] // step) - left, -outline),
                )
                high = min(-(-box[3] // step) - top, height + outline) - row
                wide = min(-(-box[2] // step) - left, width + outline) - column
                if high > 0 and wide > 0:
                    if high > mask.shape[0] or wide + 1 > mask.shape[1]:
                        mask = np.zeros((max(high, mask.shape[0]), max(wide + 1, mask.shape[1])), np.uint8)
                    part = mask[:high, : wide + 1]
                    _fill(part, row + top, column + left, step, ring, end, offsets, corners)
                    _lay(picture, part, row, column, colour, outline)
                if step >= FAR:
                    y, x = (box[1] + box[3]) // 2 // step - top, (box[0] + box[2]) // 2 // step - left
                    if 0 <= y < height and 0 <= x < width and picture[y, x] < colour:
                        picture[y, x] = colour
            ring = end


@njit(cache=True, nogil=True)
def _fill(
    part: UInt8Array,
    row: int,
    column: int,
    step: int,
    first: int,
    end: int,
    offsets: Int64Array,
    corners: Int32Array,
) -> None:
    """Inside of one object: toggle at every vertical edge of its rings, sweep; the last column is spare."""
    part[:] = 0
    high, wide = part.shape[0], part.shape[1] - 1
    for ring in range(first, end):
        start, stop = offsets[ring], offsets[ring + 1]
        for i in range(start, stop):
            j = i + 1 if i + 1 < stop else start
            if corners[i, 0] != corners[j, 0]:
                continue
            low, until = min(corners[i, 1], corners[j, 1]), max(corners[i, 1], corners[j, 1])
            x = min(max(-(-corners[i, 0] // step) - column, 0), wide)
            for y in range(max(-(-low // step) - row, 0), min(-(-until // step) - row, high)):
                part[y, x] ^= 1
    for y in range(high):
        inside = np.uint8(0)
        for x in range(wide):
            inside ^= part[y, x]
            part[y, x] = inside
        part[y, wide] = 0


@njit(cache=True, nogil=True)
def _lay(picture: UInt8Array, part: UInt8Array, row: int, column: int, colour: int, outline: int) -> None:
    """Put one object into the picture: whole, or what lies within ``outline`` steps of its edge."""
    high, wide = part.shape[0], part.shape[1] - 1
    for y in range(max(0, -row), min(high, picture.shape[0] - row)):
        for x in range(max(0, -column), min(wide, picture.shape[1] - column)):
            if not part[y, x] or picture[y + row, x + column] >= colour:
                continue
            shown = outline == 0
            for dy in range(-outline, outline + 1):
                rest = outline - abs(dy)
                for dx in range(-rest, rest + 1):
                    within = 0 <= y + dy < high and 0 <= x + dx < wide
                    shown = shown or not within or not part[y + dy, x + dx]
            if shown:
                picture[y + row, x + column] = colour
