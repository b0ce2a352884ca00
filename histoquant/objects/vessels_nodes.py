"""Pieces of vessel wall: smoothed DAB, hysteresis threshold, connected pieces with their extent."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.vessels_params import SMOOTHING_RADIUS_PX, VesselParams, pixels

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class StainWindow:
    """A window as it was read.

    Attributes
    ----------
    smooth, hematoxylin : ndarray of int16, shape (h, w)
        Smoothed DAB and haematoxylin in thousandths of optical density.
    open_edges : tuple of bool
        Top, left, bottom, right: whether the slide goes on beyond that edge.
    rim : tuple of int
        Untrusted pixels at top, left, bottom, right (`trusted_rim`).
    """

    smooth: Int16
    hematoxylin: Int16
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
def _brown(smooth: Int16, hematoxylin: Int16, low_mod: int, ratio_permille: int) -> NDArray[np.uint8]:
    """Pixels above the low threshold whose DAB is not the shadow of a dark nucleus."""
    height, width = smooth.shape
    out = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            value = np.int64(smooth[y, x])
            if value >= low_mod and value * 1000 >= ratio_permille * np.int64(hematoxylin[y, x]):
                out[y, x] = 1
    return out


@njit(cache=True, nogil=True)
def _reached(brown: NDArray[np.uint8], smooth: Int16, high_mod: int, steps: int) -> NDArray[np.uint8]:
    """Brown pixels that 8-connected growth through brown from the threshold reaches in so many steps."""
    height, width = brown.shape
    out = np.zeros((height, width), np.uint8)
    queue = np.empty(height * width, np.int64)
    end = 0
    for y in range(height):
        for x in range(width):
            if brown[y, x] and smooth[y, x] >= high_mod:
                out[y, x] = 1
                queue[end] = y * width + x
                end += 1
    first = 0
    for _ in range(steps):
        last = end
        for k in range(first, last):
            y, x = queue[k] // width, queue[k] % width
            for ny in range(max(y - 1, 0), min(y + 2, height)):
                for nx in range(max(x - 1, 0), min(x + 2, width)):
                    if brown[ny, nx] and not out[ny, nx]:
                        out[ny, nx] = 1
                        queue[end] = ny * width + nx
                        end += 1
        first = last
    return out


@njit(cache=True, nogil=True)
def _piece_table(labels: Int32, smooth: Int16, high_mod: int, count: int) -> NDArray[np.int64]:
    """Per label: first_y, first_x, y0, x0, y1, x1, area, pixels at or above the threshold."""
    table = np.zeros((count, 8), np.int64)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label == 0:
                continue
            row = table[label - 1]
            if row[6] == 0:
                row[0], row[1], row[2], row[3], row[5] = y, x, y, x, x + 1
            row[3] = min(row[3], x)
            row[4] = y + 1
            row[5] = max(row[5], x + 1)
            row[6] += 1
            if smooth[y, x] >= high_mod:
                row[7] += 1
    return table


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
        Smoothed DAB and haematoxylin of the window.
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
    brown = _brown(planes.smooth, planes.hematoxylin, low_mod, round(params.hematoxylin_ratio * 1000))
    stained = _reached(brown, planes.smooth, high_mod, pixels(params.grow_um, mpp))
    part = inside_rim(planes.rim, brown.shape)
    stained, smooth = np.ascontiguousarray(stained[part]), planes.smooth[part]
    if stained.size == 0:
        return _no_pieces(stained.shape)
    count, labels = cv2.connectedComponents(stained, connectivity=8, ltype=cv2.CV_32S)
    table = _piece_table(labels, smooth, high_mod, count - 1)
    cut = _cut(table, smooth.shape, planes.open_edges)
    pixel_um2 = mpp * mpp
    real = (table[:, 7] * pixel_um2 >= params.seed_um2) & (table[:, 6] * pixel_um2 >= params.fragment_um2)
    kept = np.flatnonzero(cut | real)
    # the library may number components in any order: raster order is ours
    kept = kept[np.lexsort((table[kept, 1], table[kept, 0]))]
    renumber = np.zeros(count, np.int32)
    renumber[kept + 1] = np.arange(1, len(kept) + 1, dtype=np.int32)
    rows = table[kept]
    return Pieces(renumber[labels], rows[:, :2], rows[:, 2:6], rows[:, 6], rows[:, 7], cut[kept])


def _cut(
    table: NDArray[np.int64], shape: tuple[int, int], open_edges: tuple[bool, bool, bool, bool]
) -> NDArray[np.bool_]:
    """Whether each piece meets an edge beyond which the slide goes on."""
    top, left, bottom, right = open_edges
    y0, x0, y1, x1 = table[:, 2], table[:, 3], table[:, 4], table[:, 5]
    before = (top & (y0 == 0)) | (left & (x0 == 0))
    return np.asarray(before | (bottom & (y1 == shape[0])) | (right & (x1 == shape[1])))


def _no_pieces(shape: tuple[int, ...]) -> Pieces:
    empty = np.zeros(0, np.int64)
    two, four = np.zeros((0, 2), np.int64), np.zeros((0, 4), np.int64)
    return Pieces(np.zeros(shape, np.int32), two, four, empty, empty, np.zeros(0, bool))
