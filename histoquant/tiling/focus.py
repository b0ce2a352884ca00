"""Tissue out of focus, from the energy of detail at three scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.maps import BoolMap, Int64Map, add_pairs, at_least, bands, box_sum, grown
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
_UNIT = float(CELLS**4)  # energies are sums over so many cells
_SIZES = 3  # of detail
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
    soft = np.zeros_like(tissue)
    noise = np.zeros(_SIZES)
    for band, sums, counts in _pooled(survey, tissue, glass, round(_REACH_UM / um), noise):
        _mark_soft(sums, counts, noise, tissue[band], soft[band])
    soft = at_least(soft, _MIN_MM2 * 1e6 / (um * um))
    return np.asarray(tissue & grown(soft, round(_RIM_UM / um)))


@dataclass(frozen=True, eq=False)
class _Detail:
    """Energies of detail of one size, read a band at a time.

    Parameters
    ----------
    light : ndarray of uint8, shape (4 h, 4 w)
        As of the survey.
    scale : int
        Cells of this size along a map pixel.
    """

    light: npt.NDArray[np.uint8]
    scale: int

    def energy(self, top: int, bottom: int) -> npt.NDArray[np.int32]:
        """Squared Laplacian of green per map pixel of these rows, as means per cell times 256."""
        found = np.empty((bottom - top, self.light.shape[1] // CELLS), np.int32)  # at most 256 (4 x 255)^2
        # a row more on either side; where there is none the kernel repeats the edge
        above = min(top, 1)
        _relief(self._cells(top - above, bottom + 1), self.scale, above, found)
        return found

    def _cells(self, top: int, bottom: int) -> npt.NDArray[np.unsignedinteger]:
        """Sums over squares of the finest cells, of these rows of the map."""
        light = self.light[top * CELLS : bottom * CELLS]
        step = CELLS // self.scale
        if step == 1:
            return light
        coarse = np.empty((len(light) // step, light.shape[1] // step), np.uint16)
        _sum_squares(light, step, coarse)
        return coarse

    def noise(self, flat: BoolMap) -> float:
        """Median energy of glass; 0 where too little of it is there."""
        if np.count_nonzero(flat) < _LEAST_FLAT:
            return 0.0
        glassy = (band for band in bands(len(flat)) if flat[band].any())
        seen = np.concatenate([self.energy(band.start, band.stop)[flat[band]] for band in glassy])
        return float(np.median(seen, overwrite_input=True)) / _UNIT


def _details(survey: Survey) -> list[_Detail]:
    """Detail of 2, 4 and 8 um."""
    return [_Detail(survey.light, CELLS >> k) for k in range(_SIZES)]


@njit(cache=True, nogil=True)
def _sum_squares(light, step, coarse):  # type: ignore[no-untyped-def]
    """Sums over squares of ``step`` cells a side, a power of 2."""
    columns, halved = np.empty(light.shape[1], np.uint16), np.empty(light.shape[1], np.uint16)
    for y in range(coarse.shape[0]):
        columns[:] = 0
        for row in light[y * step : (y + 1) * step]:
            for x in range(columns.size):
                columns[x] += row[x]
        sums, pairs = columns, halved
        while sums.size > coarse.shape[1]:
            pairs = pairs[: sums.size // 2]
            add_pairs(sums, pairs)
            sums, pairs = pairs, sums
        coarse[y] = sums


@njit(cache=True, nogil=True)
def _relief(light, scale, top, energy):  # type: ignore[no-untyped-def]
    """Squared Laplacian with the edge repeated, summed over each map pixel of scale x scale values.

    Of the map's rows from ``top`` on.
    """
    bottom, right = light.shape[0] - 1, light.shape[1] - 1
    line, halved = np.empty(right + 1, np.int32), np.empty(right + 1, np.int32)
    # values are sums over (CELLS / scale)^2 cells, and there are scale^2 of them
    weight = np.int32(scale * scale)
    for y in range(energy.shape[0]):
        line[:] = 0
        for cy in range((top + y) * scale, (top + y + 1) * scale):
            row = light[cy]
            _add_relief(light[max(cy - 1, 0)], row, light[min(cy + 1, bottom)], line)
        sums, pairs = line, halved
        while sums.size > energy.shape[1]:
            pairs = pairs[: sums.size // 2]
            add_pairs(sums, pairs)
            sums, pairs = pairs, sums
        for x in range(energy.shape[1]):
            energy[y, x] = sums[x] * weight


@njit(cache=True, nogil=True)
def _add_relief(above, row, below, line):  # type: ignore[no-untyped-def]
    """Add the squared Laplacian of a row of cells to its columns; beyond its ends it goes on as it ends."""
    last = row.size - 1
    for x in range(1, last):
        across = np.int32(row[x - 1]) + np.int32(row[x + 1])
        relief = 4 * np.int32(row[x]) - np.int32(above[x]) - np.int32(below[x]) - across
        line[x] += np.int32(relief * relief)
    for end in range(min(2, row.size)):
        x = end * last
        across = np.int32(row[max(x - 1, 0)]) + np.int32(row[min(x + 1, last)])
        relief = 4 * np.int32(row[x]) - np.int32(above[x]) - np.int32(below[x]) - across
        line[x] += np.int32(relief * relief)


def _pooled(
    survey: Survey, tissue: BoolMap, glass: BoolMap, reach: int, noise: FloatMap
) -> Iterator[tuple[slice, Int64Map, Int64Map]]:
    """Energy of fine, middle and coarse detail over tissue around each map pixel, and how much there is.

    A band of rows at a time; ``noise`` receives the energy of glass.
    """
    inner, flat = _inside(tissue), _inside(glass)
    details = _details(survey)
    noise[:] = [detail.noise(flat) for detail in details]
    for band in bands(len(tissue), 128):
        top, bottom = max(band.start - reach, 0), min(band.stop + reach, len(tissue))
        rows, counts = slice(band.start - top, band.stop - top), inner[top:bottom]
        sums = np.empty((len(details), *tissue[band].shape), np.int64)
        for detail, into in zip(details, sums, strict=True):
            into[:] = box_sum(detail.energy(top, bottom) * counts, reach)[rows]
        yield band, sums, box_sum(counts, reach)[rows]


@njit(cache=True, nogil=True, error_model="numpy")
def _mark_soft(sums, counts, noise, tissue, soft):  # type: ignore[no-untyped-def]
    """Mark tissue whose mean energies, in grey levels squared and without noise, are of no sharp detail."""
    for y in range(tissue.shape[0]):
        for x in range(np.uint64(tissue.shape[1])):
            area = max(counts[y, x], 1) * _UNIT
            fine = max(sums[0, y, x] / area - noise[0], 0.0)
            middle = max(sums[1, y, x] / area - noise[1], 0.0)
            coarse = max(sums[2, y, x] / area - noise[2], 0.0)
            unsharp = (fine < _LEAST_TO_4UM * middle) | (fine < _LEAST_TO_8UM * coarse)
            soft[y, x] = tissue[y, x] & unsharp & (coarse > _LEAST_ENERGY)


def _inside(mask: BoolMap) -> BoolMap:
    """Mask away from its border, where sharpness has other reasons."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
