"""Crushed tissue: chromatin drawn out into dark blue streaks that run one way."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.maps import BoolMap, add_fours, band_sums, bands, box_sum, chosen, grown, opened, parts
from histoquant.tiling.mean_od import MeanOd
from histoquant.tiling.survey import CELLS, Survey

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


def crushed(survey: Survey, od: MeanOd, tissue: BoolMap, um: float) -> BoolMap:
    """Tissue in which nuclei cannot be told apart because they were crushed.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    od : MeanOd
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
    amount = np.empty(inner.shape, np.int16)  # at most 780 log10(255)
    for band in bands(len(inner)):
        red, _, blue = od.channels(band)
        blue = np.maximum(_RED * red - _BLUE * blue, 0.0)
        amount[band] = np.where(inner[band], np.rint(1000.0 * blue), 0)
    sums = zip(band_sums(amount.copy(), reach), band_sums(inner, reach), strict=True)
    for (band, total), (_, number) in sums:
        amount[band] = total // np.maximum(number, 1)
    usual = _median(amount[inner])
    found = [np.zeros_like(inner) for _ in _ONE_WAY]
    for band, one_way in _coherence(survey, inner, reach):
        for mask, least, percent in zip(found, _ONE_WAY, _DARKER_PERCENT, strict=True):
            mask[band] = (
                inner[band] & (one_way >= least) & (amount[band] >= -(-percent * max(usual, 1) // 100))
            )
    labels, boxes = parts(opened(found[0], 3))
    surely = np.bincount(labels[opened(found[1], 3)], minlength=len(boxes))
    px_mm2 = um * um * 1e-6
    keep = (boxes[:, 4] * px_mm2 >= _MIN_MM2) & (surely * px_mm2 >= _MIN_SURE_MM2)
    keep[0] = False
    return np.asarray(tissue & grown(chosen(keep, labels), round(_RIM_UM / um)))


def _median(values: npt.NDArray[np.int16]) -> int:
    """The upper one of an even number; the values are put in another order."""
    values.partition(len(values) // 2)
    return int(values[len(values) // 2])


def _coherence(survey: Survey, inner: BoolMap, reach: int) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """How far gradients of 2 um cells around each map pixel agree in direction, exactly; 0 off ``inner``.

    A band of rows at a time.
    """
    for band in bands(len(inner)):
        top, bottom = max(band.start - reach, 0), min(band.stop + reach, len(inner))
        tensor = np.empty((3, bottom - top, inner.shape[1]), np.int32)
        _tensor_sums(survey.light, top, tensor)
        tensor *= inner[top:bottom]
        coherence = np.zeros(inner[band].shape)
        _one_way(*(box_sum(part, reach)[band.start - top :] for part in tensor), inner[band], coherence)
        yield band, coherence


@njit(cache=True, nogil=True, error_model="numpy")
def _one_way(xx, yy, xy, inner, coherence):  # type: ignore[no-untyped-def]
    """Coherence of sums of a structure tensor, one for each map pixel, where asked."""
    for y in range(coherence.shape[0]):
        for x in range(np.uint64(coherence.shape[1])):
            a, b, c = np.float64(xx[y, x]), np.float64(yy[y, x]), np.float64(xy[y, x])
            length = np.sqrt((a - b) * (a - b) + 4.0 * (c * c))
            coherence[y, x] = length / max(a + b, 1.0) if inner[y, x] else 0.0


@njit(cache=True, nogil=True)
def _tensor_sums(light, top, tensor):  # type: ignore[no-untyped-def]
    """Products of central differences (xx, yy, xy), summed over each map pixel of 4 x 4 values.

    From map row ``top`` on, as many rows as the sums have; no difference reaches beyond the map.
    """
    last = light.shape[0] - 1
    lines = np.empty((3, light.shape[1]), np.int32)
    for row in range(tensor.shape[1]):
        lines[:] = 0
        for y in range((top + row) * CELLS, (top + row + 1) * CELLS):
            if 0 < y < last:
                _add_products(light[y - 1], light[y], light[y + 1], lines)
            else:
                _add_products(light[y], light[y], light[y], lines)
        for k in range(3):
            add_fours(lines[k], tensor[k, row])


@njit(cache=True, nogil=True)
def _add_products(above, row, below, lines):  # type: ignore[no-untyped-def]
    """Add the products of a row of cells to its columns."""
    xx, yy, xy = lines[0], lines[1], lines[2]
    last = row.size - 1
    for x in range(1, last):
        across = np.int32(row[x + 1]) - np.int32(row[x - 1])
        down = np.int32(below[x]) - np.int32(above[x])
        xx[x] += np.int32(across * across)
        yy[x] += np.int32(down * down)
        xy[x] += np.int32(across * down)
    for x in (0, last):
        down = np.int32(below[x]) - np.int32(above[x])
        yy[x] += np.int32(down * down)
