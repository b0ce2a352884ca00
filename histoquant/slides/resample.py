"""Exact integer resampling: the bytes of a pixel follow from its place on the slide alone.

Pixel edges are integers in units of 2**-32 level-0 px, weights are integers in units of 2**-10 px, and
every average is one rounded integer division. No window, tile or row order can change a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.slides.halving import halve

EDGE_BITS = 32  # plane pixel edges: drift below 0.001 px over the largest slide
WEIGHT_BITS = 10  # weights to 1/1024 px: rounding of the weights stays below half a grey level
MAX_FACTOR = 4096  # beyond it the 32-bit row sums would overflow, and a slide has a few pixels left

_Kernel = TypeVar("_Kernel")

_ONE = 1 << EDGE_BITS
_UNIT = 1 << WEIGHT_BITS


def _compiled(kernel: _Kernel) -> _Kernel:
    """Compile a kernel; integer division by zero cannot occur in any of them."""
    return cast(_Kernel, njit(cache=True, nogil=True, error_model="numpy")(kernel))


@dataclass(frozen=True)
class Taps:
    """Which level-0 pixels make up a run of plane pixels along one axis, and how much of each.

    Parameters
    ----------
    first : ndarray of int64, shape (n,)
        Level-0 index of the first contributing pixel.
    weights : ndarray of int32, shape (n, k)
        Weights of the k pixels from there on, in 1/1024 px; zero where fewer are needed.
    """

    first: npt.NDArray[np.int64]
    weights: npt.NDArray[np.int32]

    @property
    def start(self) -> int:
        """First level-0 index needed."""
        return int(self.first[0])

    @property
    def stop(self) -> int:
        """One past the last level-0 index needed."""
        used = self.weights.shape[1] - np.argmax(self.weights[:, ::-1] > 0, axis=1)
        return int((self.first + used).max())


@dataclass(frozen=True)
class Axis:
    """One axis of a plane.

    Parameters
    ----------
    length_px : int
        Level-0 pixels along the axis.
    step : int
        Level-0 pixels per plane pixel, in units of 2**-32.
    """

    length_px: int
    step: int

    @property
    def factor(self) -> float:
        """Level-0 pixels per plane pixel."""
        return self.step / _ONE

    @property
    def whole(self) -> int:
        """The factor if it is a whole number, else 0."""
        return self.step >> EDGE_BITS if self.step % _ONE == 0 else 0

    @property
    def size(self) -> int:
        """Plane pixels along the axis: the last one has at least half its length on the slide."""
        return max(1, ((self.length_px << EDGE_BITS) + self.step // 2) // self.step)

    def index_of(self, level0_px: int) -> int:
        """Plane pixel that contains a level-0 pixel."""
        return ((level0_px << EDGE_BITS) + _ONE // 2) // self.step

    def taps(self, start: int, count: int) -> Taps:
        """Contributions to plane pixels ``start`` to ``start + count - 1`` (all inside the plane).

        Area average for factors of 1 and more, linear interpolation between pixel centres below.
        """
        index = np.arange(start, start + count + 1, dtype=np.int64)
        return self._area(index) if self.step >= _ONE else self._linear(index[:-1])

    def _area(self, index: npt.NDArray[np.int64]) -> Taps:
        drop = EDGE_BITS - WEIGHT_BITS
        edges = (index * self.step + (1 << (drop - 1))) >> drop
        low, high = edges[:-1, None], edges[1:, None]
        first = low >> WEIGHT_BITS
        taps = int((((high - 1) >> WEIGHT_BITS) - first).max()) + 1
        pixel = (first + np.arange(taps)) << WEIGHT_BITS
        weights = np.minimum(high, pixel + _UNIT) - np.maximum(low, pixel)
        return Taps(first[:, 0], np.maximum(weights, 0).astype(np.int32))

    def _linear(self, index: npt.NDArray[np.int64]) -> Taps:
        drop = EDGE_BITS - WEIGHT_BITS
        centre = (2 * index + 1) * self.step // 2 - _ONE // 2
        place = (centre + (1 << (drop - 1))) >> drop
        place = np.clip(place, 0, (self.length_px - 1) << WEIGHT_BITS)
        second = place & (_UNIT - 1)
        return Taps(place >> WEIGHT_BITS, np.stack([_UNIT - second, second], axis=1).astype(np.int32))


def resample(
    rgb: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_], taps_x: Taps, taps_y: Taps
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Weighted average of a level-0 block onto plane pixels.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        Level-0 pixels from ``(taps_x.start, taps_y.start)`` on.
    valid : ndarray of bool, shape (h, w)
        Pixels that count.
    taps_x, taps_y : Taps
        Contributions along each axis.

    Returns
    -------
    rgb : ndarray of uint8, shape (len(taps_y.first), len(taps_x.first), 3)
        ``sum(w * v * rgb) / sum(w * v)``, rounded half up; white where invalid.
    valid : ndarray of bool
        True where ``2 * sum(w * v) >= sum(w)``.
    """
    along_x = (taps_x.first - taps_x.start, taps_x.weights)
    along_y = (taps_y.first - taps_y.start, taps_y.weights)
    out = np.empty((taps_y.first.size, taps_x.first.size, 3), np.uint8)
    out_valid = np.ones(out.shape[:2], np.bool_)
    if valid.all():
        _weighted(rgb, along_x, along_y, out)
    else:
        _weighted_masked(rgb, valid, along_x, along_y, out, out_valid)
    return out, out_valid


def box(
    rgb: npt.NDArray[np.uint8], factor: int, out: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.uint8]:
    """Average whole ``factor`` x ``factor`` boxes of valid pixels, rounded half up.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h * factor, w * factor, 3), C-contiguous
        Level-0 pixels.
    factor : int
        Box side, 1 to 4096.
    out : ndarray of uint8, shape (h, w, 3), each row contiguous, optional
        Where to.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    height, width = rgb.shape[0] // factor, rgb.shape[1] // factor
    out = np.empty((height, width, 3), np.uint8) if out is None else out
    rows = rgb.reshape(rgb.shape[0], -1)
    if factor == 2:
        halve(rows, out.reshape(height, -1))
    else:
        _box(rows, factor, out.reshape(height, -1))
    return out


@_compiled
def _box(rows: Any, factor: int, out: Any) -> None:  # pragma: no cover - compiled
    area = np.uint32(factor * factor)
    half = area // np.uint32(2)
    sums = np.empty(rows.shape[1], np.uint32)
    for y in range(out.shape[0]):
        sums[:] = 0
        for r in range(factor):
            row = rows[y * factor + r]
            for i in range(sums.size):
                sums[i] += np.uint32(row[i])
        for x in range(out.shape[1] // 3):
            for c in range(3):
                total = half
                for k in range(factor):
                    total += sums[(x * factor + k) * 3 + c]
                out[y, 3 * x + c] = total // area


@_compiled
def _weighted(rgb: Any, along_x: Any, along_y: Any, out: Any) -> None:  # pragma: no cover - compiled
    (x, wx), (y, wy) = along_x, along_y
    width = x.size
    line = np.empty((width, 3), np.int32)
    total = np.empty((width, 3), np.int64)
    area_x = wx.sum(axis=1)
    held = -1
    for oy in range(y.size):
        total[:] = 0
        area_y = np.int64(0)
        for ty in range(wy.shape[1]):
            weight = np.int64(wy[oy, ty])
            if weight == 0:
                continue
            area_y += weight
            row = y[oy] + ty
            if row != held:
                held = row
                for ox in range(width):
                    red = green = blue = np.int32(0)
                    for tx in range(wx.shape[1]):
                        w = wx[ox, tx]
                        if w != 0:
                            i = x[ox] + tx
                            red += w * np.int32(rgb[row, i, 0])
                            green += w * np.int32(rgb[row, i, 1])
                            blue += w * np.int32(rgb[row, i, 2])
                    line[ox, 0], line[ox, 1], line[ox, 2] = red, green, blue
            for ox in range(width):
                for c in range(3):
                    total[ox, c] += weight * line[ox, c]
        for ox in range(width):
            area = np.uint64(area_y * area_x[ox])
            for c in range(3):
                out[oy, ox, c] = (np.uint64(total[ox, c]) + area // np.uint64(2)) // area


@_compiled
def _weighted_masked(
    rgb: Any, valid: Any, along_x: Any, along_y: Any, out: Any, out_valid: Any
) -> None:  # pragma: no cover - compiled
    (x, wx), (y, wy) = along_x, along_y
    for oy in range(y.size):
        area_y = np.int64(wy[oy].sum())
        for ox in range(x.size):
            red = green = blue = seen = np.int64(0)
            for ty in range(wy.shape[1]):
                for tx in range(wx.shape[1]):
                    w = np.int64(wy[oy, ty]) * np.int64(wx[ox, tx])
                    if w != 0 and valid[y[oy] + ty, x[ox] + tx]:
                        seen += w
                        red += w * rgb[y[oy] + ty, x[ox] + tx, 0]
                        green += w * rgb[y[oy] + ty, x[ox] + tx, 1]
                        blue += w * rgb[y[oy] + ty, x[ox] + tx, 2]
            good = seen > 0 and 2 * seen >= area_y * np.int64(wx[ox].sum())
            out_valid[oy, ox] = good
            if good:
                half = seen // 2
                out[oy, ox, 0] = (red + half) // seen
                out[oy, ox, 1] = (green + half) // seen
                out[oy, ox, 2] = (blue + half) // seen
            else:
                out[oy, ox, :] = 255
