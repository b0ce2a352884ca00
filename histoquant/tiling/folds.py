"""Folds: narrow bands where the section lies on itself and all densities add up."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.tiling.maps import BoolMap, closed, grown, parts, rod, window
from histoquant.tiling.survey import CELLS, SCALE_PX, Survey

FloatMap = npt.NDArray[np.float32]
UInt8Map = npt.NDArray[np.uint8]

_AROUND_UM = (
    200.0  # square over which "the tissue around" is taken: wider than a fold, narrower than a region
)
_LEVELS_PER_OD = 200  # 8-bit steps of the maps that medians are taken of
_FACTOR = 2.0  # two layers at least
_LEAST_ADDED_OD = 0.03  # green: under it twice nothing is still nothing
_UNIFORM = 0.58  # lightest over mean density: folds have no gaps between nuclei, aggregates do
_UNIFORM_LEAST = 0.5
# A fold has the colour of the tissue around, only more of it; epithelium and stained sheets have their own.
_SAME_COLOUR_DEG = 3.3
_SAME_COLOUR_MOST_DEG = 5.0
# Epithelium of a crypt is dark and even along at most 72 um or 3.3 times its width before it bends.
_LENGTH_UM = 80.0
_ELONGATION = 4.0
_WIDTH_UM = 80.0
_TISSUE_AROUND = 0.95  # share of tissue around it: the rim of a section is dark for other reasons
_RING_PX = 3
_LIGHTEST = 3  # third lightest of the 16 cells: one may be a hole


def folded(survey: Survey, od: FloatMap, tissue: BoolMap, white_green: float, um: float) -> BoolMap:
    """Tissue in folds.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    od : ndarray of float32, shape (h, w, 3)
        Mean optical density of map pixels.
    tissue : ndarray of bool, shape (h, w)
        Where to look.
    white_green : float
        Green intensity of glass.
    um : float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Long narrow bands inside tissue, at least twice as dense as the tissue around even where they are
        lightest, uniform, and of its colour. Wide or gradual dark areas are left alone: lymphoid aggregates,
        epithelium and positive sheets look like that.
    """
    whole = tissue & (survey.counted == SCALE_PX * SCALE_PX)
    if not whole.any():
        return np.zeros_like(tissue)
    floor = _floor_od(survey, white_green)
    width = 2 * round(_AROUND_UM / um / 2) + 1
    levels = _filled(np.clip(np.rint(floor * _LEVELS_PER_OD), 0, 255).astype(np.uint8), whole)
    around = cv2.medianBlur(levels, width) / _LEVELS_PER_OD
    turned = _colour_shift_deg(od, whole, width)
    uniform = np.asarray(floor / np.maximum(od[..., 1], np.float32(1e-3)), dtype=np.float32)
    least = np.maximum(_FACTOR * around, around + _LEAST_ADDED_OD)
    dense = whole & (_opened(levels) / _LEVELS_PER_OD >= least)
    bands = dense & (uniform >= _UNIFORM_LEAST) & (turned <= _SAME_COLOUR_MOST_DEG)
    found = _long_bands(bands, tissue, uniform, turned, um)
    # the rim of a band is half covered
    return np.asarray(found | (grown(found, 1) & tissue & (floor >= around + 0.4 * (least - around))))


def _long_bands(bands: BoolMap, tissue: BoolMap, uniform: FloatMap, turned: FloatMap, um: float) -> BoolMap:
    """Connected bands that are long, narrow, uniform, of the tissue's colour, and inside it."""
    joined = closed(bands, 1)
    labels, boxes = parts(joined)
    keep = np.zeros(len(boxes), dtype=bool)
    for index in np.flatnonzero(np.hypot(boxes[:, 2], boxes[:, 3]) * um >= _LENGTH_UM):
        if index == 0:
            continue
        here = window(boxes[index], _RING_PX + 1)
        part = labels[here] == index
        length, width = (side * um for side in rod(*np.nonzero(part)))
        core = part & bands[here]
        ring = grown(part, _RING_PX) & ~part
        keep[index] = (
            length >= max(_LENGTH_UM, _ELONGATION * width)
            and width <= _WIDTH_UM
            and bool(np.median(uniform[here][core]) >= _UNIFORM)
            and bool(np.median(turned[here][core]) <= _SAME_COLOUR_DEG)
            and bool(tissue[here][ring].mean() >= _TISSUE_AROUND)
        )
    return np.asarray(keep[labels])


def _floor_od(survey: Survey, white_green: float) -> FloatMap:
    """Density of green at the third lightest cell of each map pixel: what even its gaps hold."""
    rows, columns = survey.shape
    cells = survey.light.reshape(rows, CELLS, columns, CELLS).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    rank = CELLS * CELLS - _LIGHTEST
    lightest = np.maximum(np.partition(cells, rank, axis=-1)[..., rank], 1)
    return np.asarray(np.log10(white_green / lightest.astype(np.float32)))


def _colour_shift_deg(od: FloatMap, whole: BoolMap, width: int) -> FloatMap:
    """Angle between each map pixel's density and the median direction of the tissue around it."""
    share = od / np.maximum(od.sum(axis=-1, keepdims=True), 1e-3)
    levels = np.clip(np.rint(share * 250), 0, 255).astype(np.uint8)
    around = np.stack(
        [cv2.medianBlur(_filled(np.ascontiguousarray(levels[..., c]), whole), width) for c in range(3)],
        axis=-1,
    ).astype(np.float32)
    dot = (share * around).sum(axis=-1)
    lengths = np.linalg.norm(share, axis=-1) * np.linalg.norm(around, axis=-1)
    return np.asarray(np.degrees(np.arccos(np.clip(dot / np.maximum(lengths, 1e-9), -1.0, 1.0))))


def _filled(levels: UInt8Map, whole: BoolMap) -> UInt8Map:
    """Levels with the slide's median tissue value where there is no tissue, so that glass does not count."""
    return np.where(whole, levels, np.uint8(np.median(levels[whole]))).astype(np.uint8)


def _opened(levels: UInt8Map) -> UInt8Map:
    """Opening by 2 x 2 map pixels: single dark nuclei vanish, bands of 16 um stay."""
    kernel = np.ones((2, 2), np.uint8)
    return np.asarray(cv2.dilate(cv2.erode(levels, kernel), kernel, anchor=(0, 0)))
