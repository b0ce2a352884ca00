"""Tissue out of focus, from the energy of detail at three scales."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.maps import BoolMap, at_least, band_sums, grown
from histoquant.tiling.survey import CELLS, Survey

FloatMap = npt.NDArray[np.float64]

_REACH_UM = 28.0  # half-width of the area over which sharpness is pooled: several nuclei
# Energy of 2 um detail over that of 4 um and of 8 um detail. In focus, on nine scans from soft to sharpened,
# the lowest hundredth was 0.25 and 0.087; Gaussian blur of 2 um gives 0.12 to 0.16 and 0.04 to 0.08.
_LEAST_TO_4UM = 0.19
_LEAST_TO_8UM = 0.06
_LEAST_ENERGY = 6.0  # grey levels squared at 8 um: flatter tissue says nothing about focus
_MIN_MM2 = 0.01
_RIM_UM = 40.0  # the sharp side of a border hides the blurred side over half the pooling width
_LEAST_FLAT = 16  # map pixels of glass from which noise can be read


def blurred(survey: Survey, tissue: BoolMap, glass: BoolMap, um: float) -> BoolMap:
    """Tissue whose fine detail is missing while its coarse detail is there.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    tissue : ndarray of bool, shape (h, w)
        Where to look.
    glass : ndarray of bool, shape (h, w)
        Flat glass: its detail is pixel noise and is taken off.
    um : float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        The ratio of energies does not depend on contrast, so pale tissue in focus stays.
    """
    reach = round(_REACH_UM / um)
    fine, middle, coarse = (_pooled(energy, tissue, glass, reach) for energy in _detail(survey))
    soft = np.zeros_like(tissue)
    soft[tissue] = (fine < _LEAST_TO_4UM * middle) | (fine < _LEAST_TO_8UM * coarse)
    soft[tissue] &= coarse > _LEAST_ENERGY
    soft = at_least(soft, _MIN_MM2 * 1e6 / (um * um))
    return np.asarray(tissue & grown(soft, round(_RIM_UM / um)))


def _detail(survey: Survey) -> Iterator[npt.NDArray[np.int32]]:
    """Squared Laplacian of green per map pixel at 2, 4 and 8 um, as means per cell times 256."""
    light: npt.NDArray[np.unsignedinteger] = survey.light
    scale = CELLS
    while True:
        energy = np.empty(survey.shape, dtype=np.int32)  # at most 256 (4 x 255)^2
        _relief(light, scale, energy)
        yield energy
        if scale == 1:
            return
        coarser = light[::2, ::2].astype(np.uint16)
        for part in (light[1::2, ::2], light[::2, 1::2], light[1::2, 1::2]):
            coarser += part
        light = coarser
        scale //= 2


@njit(cache=True, nogil=True)
def _relief(light, scale, energy):  # type: ignore[no-untyped-def]
    """Squared Laplacian with the edge repeated, summed over each map pixel of scale x scale values."""
    bottom, right = light.shape[0] - 1, light.shape[1] - 1
    for y in range(energy.shape[0]):
        for x in range(energy.shape[1]):
            total = np.int64(0)
            for cy in range(y * scale, (y + 1) * scale):
                for cx in range(x * scale, (x + 1) * scale):
                    column = np.int64(light[max(cy - 1, 0), cx]) + light[min(cy + 1, bottom), cx]
                    row = np.int64(light[cy, max(cx - 1, 0)]) + light[cy, min(cx + 1, right)]
                    relief = 4 * light[cy, cx] - column - row
                    total += relief * relief
            # values are sums over (CELLS / scale)^2 cells, and there are scale^2 of them
            energy[y, x] = total * scale * scale


def _pooled(energy: npt.NDArray[np.int32], tissue: BoolMap, glass: BoolMap, reach: int) -> FloatMap:
    """Mean energy over tissue around each map pixel of it, without noise, in grey levels squared; 1-d."""
    unit = float(CELLS**4)
    inner = _inside(tissue)
    flat = energy[_inside(glass)]
    noise = float(np.median(flat)) / unit if flat.size >= _LEAST_FLAT else 0.0
    pooled, filled = np.empty(np.count_nonzero(tissue)), 0
    sums = zip(band_sums(np.where(inner, energy, 0), reach), band_sums(inner, reach), strict=True)
    for (band, total), (_, number) in sums:
        here = tissue[band]
        mean = total[here] / (np.maximum(number[here], 1) * unit)
        pooled[filled : filled + len(mean)] = np.maximum(mean - noise, 0.0)
        filled += len(mean)
    return pooled


def _inside(mask: BoolMap) -> BoolMap:
    """Mask away from its border, where sharpness has other reasons."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
