"""Crushed tissue: chromatin drawn out into dark blue streaks that run one way."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.maps import BoolMap, band_sums, grown, opened, parts
from histoquant.tiling.survey import CELLS, Survey

FloatMap = npt.NDArray[np.float32]

_REACH_UM = 28.0  # half-width of the area over which direction and density are pooled: several cells
# Coherence of the structure tensor, 0 to 1, and haematoxylin against the median of the slide's tissue, in per
# cent: a patch reaches the first pair over all of it and the second somewhere. Medians of drawn patches: 0.40
# and 150. Stroma that swirls is as coherent in places (a twentieth reaches 0.45), but not dark, too, save in
# specks of 0.001 mm2. Crypts of the colon reach the first pair over 0.007 mm2.
_ONE_WAY, _DARKER_PERCENT = (0.30, 0.40), (120, 140)
_MIN_MM2, _MIN_SURE_MM2 = 0.012, 0.002
_RIM_UM = 20.0  # beside sound tissue the pooled direction fades early
# Red and blue density to haematoxylin, up to a factor: published vectors, H (0.65, 0.29), DAB (0.27, 0.78).
_RED, _BLUE = 0.78, 0.27


def crushed(survey: Survey, od: FloatMap, tissue: BoolMap, um: float) -> BoolMap:
    """Tissue in which nuclei cannot be told apart because they were crushed.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    od : ndarray of float32, shape (h, w, 3)
        Mean optical density of map pixels.
    tissue : ndarray of bool, shape (h, w)
        Where to look.
    um : float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Patches of at least 0.012 mm2 whose 2 um detail runs one way and which hold more haematoxylin than the
        slide's tissue. A slide that is crushed for the most part is its own measure and is not found.
    """
    inner = cv2.erode(tissue.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not inner.any():
        return np.zeros_like(tissue)
    reach = max(1, round(_REACH_UM / um))
    blue = np.maximum(_RED * od[..., 0] - _BLUE * od[..., 2], 0.0)
    amount = np.where(inner, np.rint(1000.0 * blue), 0).astype(np.int32)
    sums = zip(band_sums(amount.copy(), reach), band_sums(inner, reach), strict=True)
    for (band, total), (_, number) in sums:
        amount[band] = total // np.maximum(number, 1)
    usual = int(np.sort(amount[inner])[np.count_nonzero(inner) // 2])
    one_way = _coherence(survey, inner, reach)
    possible, sure = (
        opened(inner & (one_way >= least) & (100 * amount >= percent * max(usual, 1)), 3)
        for least, percent in zip(_ONE_WAY, _DARKER_PERCENT, strict=True)
    )
    labels, boxes = parts(possible)
    surely = np.bincount(labels[sure], minlength=len(boxes))
    px_mm2 = um * um * 1e-6
    keep = (boxes[:, 4] * px_mm2 >= _MIN_MM2) & (surely * px_mm2 >= _MIN_SURE_MM2)
    keep[0] = False
    return np.asarray(tissue & grown(np.asarray(keep[labels]), round(_RIM_UM / um)))


def _coherence(survey: Survey, inner: BoolMap, reach: int) -> npt.NDArray[np.float64]:
    """How far gradients of 2 um cells around each map pixel agree in direction, exactly; 0 off ``inner``."""
    tensor = np.empty((3, *survey.shape), np.int32)
    _tensor_sums(survey.light, CELLS, tensor)
    tensor[:, ~inner] = 0
    coherence = np.zeros(inner.shape)
    for sums in zip(*(band_sums(part, reach) for part in tensor), strict=True):
        band = sums[0][0]
        here = inner[band]
        xx, yy, xy = (part[here].astype(np.float64) for _, part in sums)
        length = np.sqrt((xx - yy) ** 2 + 4.0 * xy**2)
        coherence[band][here] = length / np.maximum(xx + yy, 1.0)
    return coherence


@njit(cache=True, nogil=True)
def _tensor_sums(light, scale, tensor):  # type: ignore[no-untyped-def]
    """Products of central differences (xx, yy, xy), summed over each map pixel of scale x scale values."""
    bottom, right = light.shape[0] - 1, light.shape[1] - 1
    tensor[:] = 0
    for y in range(light.shape[0]):
        for x in range(light.shape[1]):
            across = down = np.int32(0)
            if 0 < x < right:
                across = np.int32(light[y, x + 1]) - np.int32(light[y, x - 1])
            if 0 < y < bottom:
                down = np.int32(light[y + 1, x]) - np.int32(light[y - 1, x])
            row, column = y // scale, x // scale
            tensor[0, row, column] += across * across
            tensor[1, row, column] += down * down
            tensor[2, row, column] += across * down
