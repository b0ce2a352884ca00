"""Folds: bands where the section lies on itself, so that even its lightest places hold two layers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.maps import BoolMap, bands, closed, grown, parts, rod, window
from histoquant.tiling.mean_od import MeanOd
from histoquant.tiling.survey import CELLS, SCALE_PX, Survey

FloatMap = npt.NDArray[np.float32]
UInt8Map = npt.NDArray[np.uint8]

# Square over which "the tissue around" is taken: its median is that of single tissue while a fold of up to
# 130 um covers less than half of it.
_AROUND_UM = 400.0
_MEDIAN_LEVEL = 60  # 8-bit step of the slide's median floor: four layers are still told apart
_LEAST_FLOOR_OD = 0.015  # green: under it layers of nothing are nothing
_LAYERS = 2.0  # where the band is whole
_SINGLE_LAYERS = 1.5  # less is one layer
# Epithelium of a crypt and walls of vessels are as dark, but short pieces around a hole.
_LENGTH_UM = 110.0
_WIDTH_UM = 140.0
_ELONGATION = 3.5
_SIDE_UM = (12.0, 36.0)  # beside the band: beyond its rim, nearer than the next structure
_STEP_SHARE = 0.75  # of what lies beside it is single: epithelium and muscle fade into their surroundings
_HOLE_LAYERS = 0.45  # lumen or glass, not a layer
_HOLE_SHARE = 0.2
# Share of a band that is dense, 0.89 and more on drawn folds: between the cells of an aggregate or a crypt
# light comes through, and chains of them reach 0.86.
_SOLID_SHARE = 0.88
# Layers add up: a fold has the colour of the tissue it was taken from. Epithelium has its own.
_SAME_COLOUR_DEG = 4.0
_SPUR_SHARE = 0.7  # of the band's own density
_LIGHTEST = 3  # third lightest of the 16 cells: one may be a hole


@dataclass(frozen=True, eq=False)
class _Layers:
    """How many layers lie where, and what they absorb.

    Attributes
    ----------
    number : ndarray of float32, shape (h, w)
        Density of the lightest places over that of the tissue around; 0 off tissue.
    whole : ndarray of bool, shape (h, w)
        Tissue of complete map pixels.
    od : MeanOd
        Mean optical density.
    um : float
        Micrometres per map pixel.
    """

    number: FloatMap
    whole: BoolMap
    od: MeanOd
    um: float


def folded(survey: Survey, od: MeanOd, tissue: BoolMap, white_green: float, um: float) -> BoolMap:
    """Tissue in folds.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    od : MeanOd
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
        Bands up to 140 um wide inside tissue, at least twice as dense as the tissue around even where they
        are lightest, with tissue of single density on both sides, and of its colour. Dark areas that fade
        out, that border on glass or are wider are left alone: lymphoid aggregates, epithelium, muscle and
        positive sheets look like that.
    """
    whole = tissue & (survey.counted == SCALE_PX * SCALE_PX)
    if not whole.any():
        return np.zeros_like(tissue)
    layers = _layers(survey, od, whole, white_green, um)
    core = _opened(closed(whole & (layers.number >= _LAYERS), 1).astype(np.uint8)) > 0
    labels, boxes = parts(core)
    found = np.zeros_like(tissue)
    for index in np.flatnonzero(np.hypot(boxes[:, 2], boxes[:, 3]) * um >= _LENGTH_UM):
        if index:
            here = window(boxes[index], round(_SIDE_UM[1] / um) + 1)
            part = labels[here] == index
            if _is_band(part, here, layers):
                found[here] |= _without_spurs(part, layers.number[here])
    # the map pixels at the rim of a band are half covered: their lightest places tell nothing
    return np.asarray(tissue & grown(found, 1))


def _is_band(part: BoolMap, here: tuple[slice, slice], layers: _Layers) -> bool:
    """Whether a part is long, narrow, solid, of its surroundings' colour, and steps down on its sides."""
    width = _width(part) * layers.um
    least = max(_LENGTH_UM, _ELONGATION * width)
    if width > _WIDTH_UM or _length_about(part) * layers.um < 0.999 * least:
        return False
    if rod(*np.nonzero(part))[0] * layers.um < least:
        return False
    number, whole = layers.number[here], layers.whole[here]
    near, far = (round(reach / layers.um) for reach in _SIDE_UM)
    beside = grown(part, far) & ~grown(part, near) & whole
    around = (grown(part, far) & ~grown(part, near)).sum()
    holes = around - np.count_nonzero(number[beside] >= _HOLE_LAYERS)
    if not beside.any() or holes > _HOLE_SHARE * around:
        return False
    solid = np.count_nonzero(number[part] >= _SINGLE_LAYERS) / part.sum()
    single = np.count_nonzero(number[beside] < _SINGLE_LAYERS) / np.count_nonzero(beside)
    turned = _angle_deg(layers.od[here][part].sum(axis=0), layers.od[here][beside].sum(axis=0))
    return bool(solid >= _SOLID_SHARE and single >= _STEP_SHARE and turned <= _SAME_COLOUR_DEG)


def _without_spurs(part: BoolMap, number: FloatMap) -> BoolMap:
    """Band without what hangs on to it but holds fewer layers: a crypt's epithelium, an aggregate."""
    body = closed(part & (number >= _SPUR_SHARE * np.median(number[part])), 1) & part
    labels, boxes = parts(body)
    return np.asarray(labels == 1 + int(np.argmax(boxes[1:, 4])))


@njit(cache=True, nogil=True)
def _length_about(part):  # type: ignore[no-untyped-def]
    """Length in map pixels of a part's rod, but for rounding, in a tenth of the time."""
    number = down = across = down2 = across2 = both = 0
    for y in range(part.shape[0]):
        for x in range(part.shape[1]):
            if part[y, x]:
                number += 1
                down += y
                across += x
                down2 += y * y
                across2 += x * x
                both += x * y
    if not number:
        return 0.0
    yy = (down2 - down * (down / number)) / number
    xx = (across2 - across * (across / number)) / number
    xy = (both - down * (across / number)) / number
    along = (yy + xx + np.sqrt((yy - xx) ** 2 + 4.0 * xy * xy)) / 2.0
    return np.sqrt(12.0 * along + 1.0)


def _width(part: BoolMap) -> float:
    """Width in map pixels: of the widest disc inside, so that a bend does not make a band wide."""
    framed = cv2.copyMakeBorder(part.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return 2.0 * float(cv2.distanceTransform(framed, cv2.DIST_L2, 5).max())


def _layers(survey: Survey, od: MeanOd, whole: BoolMap, white_green: float, um: float) -> _Layers:
    lightest = np.empty(survey.shape, np.uint8)
    _third_lightest(survey.light, lightest)
    # what even the gaps of tissue hold, by the intensity of the third lightest cell
    floor = np.log10(white_green / np.maximum(np.arange(256), 1).astype(np.float32))
    middle = max(_median(floor, lightest, whole), _LEAST_FLOOR_OD)
    per_od = _MEDIAN_LEVEL / middle
    # where there is no tissue the slide's median stands, so that glass does not count
    told = np.clip(np.rint(floor * per_od), 0, 255).astype(np.uint8)
    levels = np.where(whole, cv2.LUT(lightest, told), np.uint8(min(255, round(middle * per_od))))
    del lightest
    around = cv2.medianBlur(levels, 2 * round(_AROUND_UM / um / 2) + 1)
    least = max(_LEAST_FLOOR_OD * per_od, 1.0)
    levels = _opened(levels)
    number = np.zeros(whole.shape, np.float32)
    for band in bands(len(number)):
        layers = levels[band] / np.maximum(around[band], least).astype(np.float32)
        np.copyto(number[band], layers, where=whole[band])
    return _Layers(number, whole, od, um)


def _median(floor: FloatMap, lightest: UInt8Map, whole: BoolMap) -> float:
    """Median floor of tissue, of which there is some, from the number of pixels at each intensity."""
    counts = np.zeros(256, np.int64)
    for band in bands(len(whole)):
        counts += np.bincount(lightest[band][whole[band]], minlength=256)
    # from the lightest on, of which the floor is the least
    reached = np.cumsum(counts[::-1])
    ranks = [(reached[-1] - 1) // 2, reached[-1] // 2]
    return float(np.median(floor[255 - np.searchsorted(reached, ranks, side="right")]))


@njit(cache=True, nogil=True)
def _third_lightest(light, third):  # type: ignore[no-untyped-def]
    """The third of the cells of each map pixel, the lightest first: of each column, then of them together."""
    width = light.shape[1]
    best = np.empty((3, width), np.uint8)
    for y in range(third.shape[0]):
        best[:] = 0
        for row in light[y * CELLS : (y + 1) * CELLS]:
            for x in range(width):
                best[2, x] = max(best[2, x], min(best[1, x], row[x]))
                best[1, x] = max(best[1, x], min(best[0, x], row[x]))
                best[0, x] = max(best[0, x], row[x])
        first, second, last, found = best[0], best[1], best[2], third[y]
        for x in range(np.uint64(found.size)):
            lightest = np.uint8(0), np.uint8(0), np.uint8(0)
            for k in range(np.uint64(CELLS)):
                at = np.uint64(CELLS) * x + k
                lightest = _with(_with(_with(lightest, first[at]), second[at]), last[at])
            found[x] = lightest[2]


@njit(cache=True, nogil=True)
def _with(lightest, cell):  # type: ignore[no-untyped-def]
    """The three lightest of three and one more, the lightest first."""
    one, two, three = lightest
    return max(one, cell), max(two, min(one, cell)), max(three, min(two, cell))


def _angle_deg(one: FloatMap, other: FloatMap) -> float:
    """Angle between two sums of densities."""
    lengths = max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-9)
    return float(np.degrees(np.arccos(np.clip(float(one @ other) / lengths, -1.0, 1.0))))


def _opened(levels: UInt8Map) -> UInt8Map:
    """Opening by 2 x 2 map pixels: single dark nuclei vanish, bands of 16 um stay."""
    kernel = np.ones((2, 2), np.uint8)
    return np.asarray(cv2.dilate(cv2.erode(levels, kernel), kernel, anchor=(0, 0)))
