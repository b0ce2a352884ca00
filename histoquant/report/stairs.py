"""Outlines along the edges of pixels, as cells have them, drawn as OpenCV draws them, in a third of the time.

Such an outline is a staircase: each of its lines is level or upright and begins and ends halfway between
pixels. What OpenCV's antialiased line does to a pixel then depends on few things only, and is looked up.
Constants and order are those of its ``LineAA``, ``FillConvexPoly`` and ``ThickLine`` (Apache License 2.0,
modules/imgproc/src/drawing.cpp); tests compare every pixel. What is no staircase is OpenCV's to draw.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.report.corners import SHIFT

Bytes = npt.NDArray[np.uint8]
Points = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
_Tables = tuple[Bytes, ...]  # of each channel: what a value becomes, by kind of place

_HALF: Final = 8
_ACROSS: Final = np.array([158, 168, 5])  # share of a line in three pixels across it, in 1/256
_ALONG: Final = np.array(
    [0, 0, 42, 0, 93, 132, 48, 138, 181]
)  # by how near it begins and ends, 0 to 2 pixels each
_FULL: Final = 27  # after all 9 x 3 of these: the line's own colour
_STAIRS, _OTHER = 1, 2
_BIT: Final = np.uint64(1)
_ROWS: Final = 64  # a polygon this high and wide is filled as bits


def draw_closed(
    image: Bytes, points: Points, offsets: Offsets, color: tuple[int, ...], width_px: int
) -> None:
    """Draw closed outlines in their order, as ``cv2.polylines`` does with ``LINE_AA``.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, channels), contiguous
        Changed in place.
    points : ndarray of int32, shape (m, 2)
        Corners in sixteenths of a pixel.
    offsets : ndarray of int64, shape (n + 1,)
        Of the outlines in ``points``.
    color : tuple of int
        One value for each channel.
    width_px : int

    Raises
    ------
    ValueError
        If the picture is a cut-out of another one: what is drawn would go into a copy.
    """
    if not image.flags.c_contiguous:
        raise ValueError("outlines are drawn on a contiguous picture, not on a cut-out of another one")
    height, width, _ = image.shape
    half = 0 if width_px == 1 else (width_px + 1) // 2
    kinds = kinds_of(points, offsets, width, height, half + 3)
    seen = np.flatnonzero(kinds)
    starts, ends, stairs = offsets[:-1][seen], offsets[1:][seen], kinds[seen] == _STAIRS
    changes = np.flatnonzero(np.diff(stairs)) + 1
    for first, last in pairwise([0, *changes.tolist(), len(seen)] if len(seen) else []):
        part = slice(first, last)
        if not stairs[first]:
            rest = [points[a:b] for a, b in zip(starts[part].tolist(), ends[part].tolist(), strict=True)]
            cv2.polylines(image, rest, True, color, width_px, cv2.LINE_AA, SHIFT)
            continue
        given = image.reshape(-1), width, points, starts[part], ends[part], _line_tables(color)
        if half:
            _draw_wide(*given, half, *_disc(color, width_px))
        else:
            _draw_thin(*given)


def fill(mask: Bytes, points: Points, offsets: Offsets) -> None:
    """Set the insides of polygons, of all together, to 255, as ``cv2.fillPoly`` does with each of them.

    Parameters
    ----------
    mask : ndarray of uint8, shape (h, w), contiguous
        Changed in place.
    points, offsets : ndarray
        As in `draw_closed`.
    """
    kinds = kinds_of(points, offsets, mask.shape[1], mask.shape[0], 2)
    _fill_stairs(mask, points, offsets, kinds)
    for polygon in np.flatnonzero((kinds == _OTHER) & (np.diff(offsets) > 2)).tolist():
        corners = points[offsets[polygon] : offsets[polygon + 1]]
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_8, SHIFT)


@lru_cache(maxsize=16)
def _line_tables(color: tuple[int, ...]) -> _Tables:
    """What a line does: by place along and across it, then at full cover; shape (28, 256) each."""
    shares = np.append(np.multiply.outer(_ALONG, _ACROSS).ravel() >> 8, 0)[:, None]
    tables = []
    for value in color:
        old = np.arange(256)
        for _ in range(2):  # OpenCV mixes twice
            old = old + ((value - old) * shares + 127 >> 8)
        old[_FULL] = value
        tables.append(old.astype(np.uint8))
    return tuple(tables)


@lru_cache(maxsize=16)
def _disc(color: tuple[int, ...], width_px: int) -> tuple[Offsets, Offsets, Offsets, _Tables]:
    """What the round end of a wide line does: rows, columns and kinds of its pixels, and tables by kind.

    Asked of OpenCV, which draws it over every grey value.
    """
    side = width_px + 8
    grey = np.repeat(np.arange(256, dtype=np.uint8), side)[:, None, None]
    canvas = np.ascontiguousarray(np.broadcast_to(grey, (256 * side, side, len(color))))
    middle = side // 2 << SHIFT | _HALF
    ends = np.array([[[middle, (side * value << SHIFT) + middle]] for value in range(256)], np.int32)
    cv2.polylines(canvas, list(ends), True, color, width_px, cv2.LINE_AA, SHIFT)
    became = canvas.reshape(256, side * side, len(color)).transpose(1, 2, 0)
    changed = np.flatnonzero((became != np.arange(256)).any(axis=(1, 2)))
    kinds: dict[bytes, int] = {}
    kind = [kinds.setdefault(became[pixel].tobytes(), len(kinds)) for pixel in changed]
    tables = np.frombuffer(b"".join(kinds), np.uint8).reshape(-1, len(color), 256)
    rows, columns = np.divmod(changed, side)
    return (
        rows - side // 2,
        columns - side // 2,
        np.array(kind, np.int64),
        tuple(np.ascontiguousarray(tables[:, channel]) for channel in range(len(color))),
    )


@njit(cache=True, nogil=True)
def kinds_of(points: Points, offsets: Offsets, width: int, height: int, margin: int) -> Bytes:
    """Return 0 of outlines nowhere in the picture, 1 of staircases in its midst, 2 of all others."""
    kinds = np.zeros(len(offsets) - 1, np.uint8)
    near, right, bottom = margin << SHIFT, (width - 2 - margin) << SHIFT, (height - 2 - margin) << SHIFT
    far, far_right, far_bottom = -near, (width + margin) << SHIFT, (height + margin) << SHIFT
    for outline in range(len(kinds)):
        start, end = offsets[outline], offsets[outline + 1]
        if end - start < 2:
            continue
        stairs = True
        x_before, y_before = points[end - 1, 0], points[end - 1, 1]
        x_least = x_most = x_before
        y_least = y_most = y_before
        for corner in range(start, end):
            x, y = points[corner, 0], points[corner, 1]
            stairs &= (x & 15 == _HALF) & (y & 15 == _HALF) & ((x == x_before) != (y == y_before))
            x_before, y_before = x, y
            x_least, x_most = min(x_least, x), max(x_most, x)
            y_least, y_most = min(y_least, y), max(y_most, y)
        if (x_most < far) | (y_most < far) | (x_least > far_right) | (y_least > far_bottom):
            continue
        stairs &= (x_least >= near) & (y_least >= near) & (x_most < right) & (y_most < bottom)
        kinds[outline] = _STAIRS if stairs else _OTHER
    return kinds


@njit(cache=True, nogil=True)
def _draw_thin(
    flat: Bytes, width: int, points: Points, starts: Offsets, ends: Offsets, tables: _Tables
) -> None:
    for start, end in zip(starts, ends):  # noqa: B905  (kernels have no strict)
        x_before, y_before = points[end - 1, 0] >> SHIFT, points[end - 1, 1] >> SHIFT
        for corner in range(start, end):
            x, y = points[corner, 0] >> SHIFT, points[corner, 1] >> SHIFT
            level = y == y_before
            _line(
                flat,
                width,
                min(x, x_before),
                min(y, y_before),
                abs(x - x_before + y - y_before),
                level,
                tables,
            )
            x_before, y_before = x, y


@njit(cache=True, nogil=True)
def _draw_wide(
    flat: Bytes,
    width: int,
    points: Points,
    starts: Offsets,
    ends: Offsets,
    tables: _Tables,
    half: int,
    rows: Offsets,
    columns: Offsets,
    kinds: Offsets,
    discs: _Tables,
) -> None:
    channels = len(tables)
    for start, end in zip(starts, ends):  # noqa: B905  (kernels have no strict)
        x_before, y_before = points[end - 1, 0] >> SHIFT, points[end - 1, 1] >> SHIFT
        for corner in range(start, end):
            x, y = points[corner, 0] >> SHIFT, points[corner, 1] >> SHIFT
            _box(flat, width, x_before, y_before, x, y, half, tables)
            for pixel in range(len(rows)):
                at = np.uint64(((y + rows[pixel]) * width + x + columns[pixel]) * channels)
                for channel in range(channels):
                    place = at + np.uint64(channel)
                    flat[place] = discs[channel][kinds[pixel], flat[place]]
            x_before, y_before = x, y


@njit(cache=True, nogil=True, inline="always")
def _box(
    flat: Bytes, width: int, x_from: int, y_from: int, x_to: int, y_to: int, half: int, tables: _Tables
) -> None:
    """A wide line without its end: a box, of which the sides are drawn first, in OpenCV's order."""
    level = y_from == y_to
    left, top = min(x_from, x_to), min(y_from, y_to)
    length = abs(x_to - x_from + y_to - y_from)
    beside = half if (x_to < x_from) | (y_to > y_from) else -half
    for side in range(4):
        x, y, long, lies = left, top, length, level
        if side & 1:
            x, y = (x_from, y_from) if side == 1 else (x_to, y_to)
            long, lies, away = 2 * half, not level, -half
        else:
            away = beside if side == 0 else -beside
        _line(flat, width, x if level else x + away, y + away if level else y, long, lies, tables)
    if level:
        x_first, y_first, across, down = left + 1, top - half + 1, length, 2 * half + 1
    else:
        x_first, y_first, across, down = left - half + 1, top + 1, 2 * half, length + 1
    channels = len(tables)
    for y in range(y_first, y_first + down):
        at = np.uint64((y * width + x_first) * channels)
        for _ in range(across):
            for channel in range(channels):
                flat[at] = tables[channel][_FULL, 0]
                at += _BIT


@njit(cache=True, nogil=True, inline="always")
def _line(flat: Bytes, width: int, x: int, y: int, length: int, level: bool, tables: _Tables) -> None:
    """A thin line to the right or downwards from between the pixel and the next."""
    channels = len(tables)
    beside, below = np.uint64(channels), np.uint64(width * channels)
    at = np.uint64(y) * below + np.uint64(x) * beside
    along, across = (beside, below) if level else (below, beside)
    for step in range(length + 2):
        kind = 3 * (3 * min(step, 2) + min(length + 1 - step, 2))
        place = at
        for side in range(3):
            for channel in range(channels):
                pixel = place + np.uint64(channel)
                flat[pixel] = tables[channel][kind + side, flat[pixel]]
            place += across
        at += along


@njit(cache=True, nogil=True)
def _fill_stairs(mask: Bytes, points: Points, offsets: Offsets, kinds: Bytes) -> None:
    """Fill staircases as rows of bits, a pixel more to the right and below; none is what is too large."""
    inside = np.zeros(_ROWS + 1, np.uint64)
    for polygon in range(len(kinds)):
        if kinds[polygon] != _STAIRS:
            continue
        corners = points[offsets[polygon] : offsets[polygon + 1]] >> SHIFT
        left, top = corners[:, 0].min(), corners[:, 1].min()
        across, down = corners[:, 0].max() - left, corners[:, 1].max() - top
        if max(across, down) >= _ROWS:
            kinds[polygon] = _OTHER
            continue
        inside[: down + 1] = 0
        y_before = corners[-1, 1]
        for corner in range(len(corners)):
            x, y = corners[corner, 0], corners[corner, 1]
            # all to the right of an upright line changes sides
            for row in range(min(y, y_before) - top, max(y, y_before) - top):
                inside[row] ^= ~np.uint64(0) << np.uint64(x - left)
            y_before = y
        above = np.uint64(0)
        for row in range(down + 1):
            bits = inside[row] | (inside[row] << _BIT)
            pixels = mask[top + 1 + row, left + 1 : left + 2 + across]
            for x in range(across + 1):
                pixels[x] |= np.uint8(255) * np.uint8(((bits | above) >> np.uint64(x)) & _BIT)
            above = bits
