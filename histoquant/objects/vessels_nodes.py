"""Pieces of vessel wall: smoothed DAB, hysteresis threshold, connected pieces with their extent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.bit_rows import unpacked
from histoquant.objects.hysteresis import strong_and_beside
from histoquant.objects.runs import Runs
from histoquant.objects.vessels_params import SMOOTHING_RADIUS_PX, VesselParams, pixels

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

_NOT_BROWN = np.int16(np.iinfo(np.int16).min)


@dataclass(frozen=True)
class StainWindow:
    """A window as it was read.

    Attributes
    ----------
    smooth : ndarray of int16, shape (h, w)
        Smoothed DAB in thousandths of optical density.
    brown : ndarray of int16, shape (h, w)
        The same where it is no shadow of a dark nucleus (`brown_mod`).
    open_edges : tuple of bool
        Top, left, bottom, right: whether the slide goes on beyond that edge.
    rim : tuple of int
        Untrusted pixels at top, left, bottom, right (`trusted_rim`).
    """

    smooth: Int16
    brown: Int16
    open_edges: tuple[bool, bool, bool, bool]
    rim: tuple[int, int, int, int]


@dataclass(frozen=True)
class Pieces:
    """Connected pieces of stain, in the order of their first raster pixel.

    Attributes
    ----------
    labels : ndarray of int32, shape (h, w)
        0 or 1 + the row of the piece below.
    first : ndarray of int64, shape (n, 2)
        First raster pixel (y, x).
    box : ndarray of int64, shape (n, 4)
        y0, x0, y1, x1, half open.
    area_px, strong_px : ndarray of int64, shape (n,)
        Pixels, and pixels at or above the full threshold.
    cut : ndarray of bool, shape (n,)
        The piece meets an edge of the window beyond which the slide goes on.
    """

    labels: Int32
    first: NDArray[np.int64]
    box: NDArray[np.int64]
    area_px: NDArray[np.int64]
    strong_px: NDArray[np.int64]
    cut: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)

    def extent_px(self) -> NDArray[np.int64]:
        """Longer side of each bounding box."""
        if not len(self):
            return np.zeros(0, np.int64)
        sides = np.stack([self.box[:, 2] - self.box[:, 0], self.box[:, 3] - self.box[:, 1]])
        return np.asarray(sides.max(axis=0))


@njit(cache=True, nogil=True)
def smooth_mod(dab: Int16, valid: NDArray[np.bool_]) -> Int16:
    """Five-tap binomial filter (1 4 6 4 1) / 16 in y and x, in integers; outside counts as 0.

    Parameters
    ----------
    dab : ndarray of int16, shape (h, w)
        Thousandths of optical density.
    valid : ndarray of bool, shape (h, w)
        Pixels without image content count as unstained.

    Returns
    -------
    ndarray of int16, shape (h, w)
    """
    height, width = dab.shape
    out = np.empty((height, width), np.int16)
    column = np.zeros(width + 4, np.int32)
    weights = (1, 4, 6, 4, 1)
    for y in range(height):
        column[:] = 0
        for k in range(5):
            row = y + k - 2
            if row < 0 or row >= height:
                continue
            weight = weights[k]
            for x in range(width):
                if valid[row, x]:
                    column[x + 2] += weight * dab[row, x]
        for x in range(width):
            total = (
                column[x] + 4 * column[x + 1] + 6 * column[x + 2] + 4 * column[x + 3] + column[x + 4] + 128
            )
            out[y, x] = total >> 8
    return out


@njit(cache=True, nogil=True)
def brown_mod(smooth: Int16, hematoxylin: Int16, ratio_permille: int) -> Int16:
    """DAB that is not the shadow of a dark nucleus.

    Parameters
    ----------
    smooth, hematoxylin : ndarray of int16, shape (h, w)
        Smoothed DAB and haematoxylin in thousandths of optical density.
    ratio_permille : int
        Least DAB per haematoxylin, in thousandths.

    Returns
    -------
    ndarray of int16, shape (h, w)
        Below every threshold elsewhere.
    """
    out = np.empty_like(smooth)
    for y in range(smooth.shape[0]):
        dab, blue, to = smooth[y], hematoxylin[y], out[y]
        for x in range(to.size):
            held = 1000 * np.int32(dab[x]) >= np.int32(ratio_permille) * np.int32(blue[x])
            to[x] = dab[x] if held else _NOT_BROWN
    return out


@njit(cache=True, nogil=True)
def _strong_px(rows: Int64, spans: Int32, of_run: Int32, count: int, brown: Int16, high_mod: int) -> Int64:
    """Pixels at or above the threshold of each component."""
    out = np.zeros(count, np.int64)
    for y in range(rows.size - 1):
        for i in range(rows[y], rows[y + 1]):
            for x in range(spans[i, 0], spans[i, 1]):
                out[of_run[i]] += brown[y, x] >= high_mod
    return out


def trusted_rim(
    open_edges: tuple[bool, bool, bool, bool], margin_px: int, params: VesselParams, mpp: float
) -> tuple[int, int, int, int]:
    """Pixels to cut off at top, left, bottom, right: at open edges, filter and growth saw only part."""
    reach = max(SMOOTHING_RADIUS_PX + pixels(params.grow_um, mpp), margin_px)
    top, left, bottom, right = (reach if is_open else 0 for is_open in open_edges)
    return top, left, bottom, right


def inside_rim(rim: tuple[int, int, int, int], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Part of a window that is left when its rim is cut off."""
    top, left, bottom, right = rim
    return slice(top, max(top, shape[0] - bottom)), slice(left, max(left, shape[1] - right))


def find_pieces(planes: StainWindow, params: VesselParams, mpp: float) -> Pieces:
    """Pieces of wall in a window: grown from the threshold down to its low fraction.

    Growth stops `VesselParams.grow_um` from the nearest pixel above the threshold, so that a stained
    background fills neither a window nor, through ever larger windows, a slide.

    Parameters
    ----------
    planes : StainWindow
        Smoothed DAB of the window.
    params : VesselParams
        Thresholds and least areas.
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    Pieces
        In coordinates of the window without its rim: complete pieces, and every cut one, whose rest is
        unknown.
    """
    high_mod = round(params.threshold_od * 1000)
    low_mod = round(params.threshold_od * params.low_fraction * 1000)
    wall = strong_and_beside(planes.brown, low_mod, high_mod, pixels(params.grow_um, mpp))
    state = unpacked(wall, planes.brown.shape[1])
    part = inside_rim(planes.rim, state.shape)
    runs = Runs.of_mask(state[part])
    found = runs.components(8)
    strong = _strong_px(runs.rows, runs.spans, found.of_run, len(found.pixels), planes.brown[part], high_mod)
    x0, y0, width, height = found.boxes.astype(np.int64).T
    box = np.stack([y0, x0, y0 + height, x0 + width], axis=1)
    cut = _cut(box, state[part].shape, planes.open_edges)
    pixel_um2 = mpp * mpp
    real = (strong * pixel_um2 >= params.seed_um2) & (found.pixels * pixel_um2 >= params.fragment_um2)
    kept = np.flatnonzero(cut | real)
    number = np.full(len(cut), -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    labels = runs.labels(number[found.of_run])
    first = found.first[kept].astype(np.int64)
    return Pieces(labels, first, box[kept], found.pixels[kept], strong[kept], cut[kept])


def _cut(box: Int64, shape: tuple[int, int], open_edges: tuple[bool, bool, bool, bool]) -> NDArray[np.bool_]:
    """Whether each piece meets an edge beyond which the slide goes on."""
    top, left, bottom, right = open_edges
    y0, x0, y1, x1 = box.T
    before = (top & (y0 == 0)) | (left & (x0 == 0))
    return np.asarray(before | (bottom & (y1 == shape[0])) | (right & (x1 == shape[1])))
