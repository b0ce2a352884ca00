"""Stained area of one window by hysteresis, the objects it falls into, and which cell lies in which object.

Everything has finite support: reconstruction stops after a declared length, holes and specks are told by a
bounding box as well as by their area, and only objects that fit a declared box are measured one by one. So
a pixel's answer is the same in every window that shows `stained_halo_px` around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.bit_rows import Bits, spans_of
from histoquant.objects.hysteresis import smooth_strong_and_beside
from histoquant.objects.nuclei_params import NucleiParams
from histoquant.objects.planes import Planes
from histoquant.objects.runs import Runs
from histoquant.objects.smoothing import radius_px

BoolArray = npt.NDArray[np.bool_]
Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

SHIFTS = (0.8, 1.0, 1.2)
"""Multiples of the threshold at which the stained area is measured."""
LARGE = -1
"""Object of a cell that is too large to be told whole."""
_MOD = 1000.0


@dataclass(frozen=True)
class StainedRules:
    """How stained area is drawn; shares are of the slide's threshold.

    Attributes
    ----------
    smooth_um : float
        Sigma; 0.75 um joins granules of one cell and is less than half of a macrophage's process.
    low_share, high_share : float
        Hysteresis: pixels at the low level count where pixels at the high level are near.
    reach_um : float
        How far the low level is followed; half of a macrophage (15 - 25 um).
    hole_um2, hole_um : float
        Gaps of less area, within a box of this side, are filled; nuclei are larger and stay open.
    least_um2, least_um : float
        Specks of less area, within a box of this side, are dropped: granules and neutrophils' grains.
    object_um : float
        Longest side of an object that is measured by itself; one macrophage fits.
    """

    smooth_um: float = 0.75
    low_share: float = 0.9
    high_share: float = 1.25
    reach_um: float = 8.0
    hole_um2: float = 10.0
    hole_um: float = 6.0
    least_um2: float = 15.0
    least_um: float = 12.0
    object_um: float = 30.0


class StainedObjects(NamedTuple):
    """Objects of one window.

    Attributes
    ----------
    area : tuple of Runs
        Stained area at each of `SHIFTS` times the threshold.
    of_run : ndarray of int32, shape (runs,)
        Object of each run of the area at the threshold itself; objects are numbered from 0 in raster order
        of their first pixel.
    first : ndarray of int32, shape (n, 2)
        (y, x) of the first pixel in raster order.
    pixels : ndarray of int64, shape (n,)
        Area; `LARGE` for an object longer than ``object_um`` or cut by the window.
    long : ndarray of bool, shape (n,)
        Whether what the window shows of the object is longer than ``object_um``.
    cut : ndarray of bool, shape (n, 4)
        Whether it lies at the top, left, bottom and right edge of the window.
    """

    area: tuple[Runs, ...]
    of_run: Int32Array
    first: Int32Array
    pixels: Int64Array
    long: BoolArray
    cut: BoolArray

    @property
    def at_threshold(self) -> Runs:
        """Stained area of which the objects are."""
        return self.area[SHIFTS.index(1.0)]

    def labels(self) -> Int32Array:
        """Image of the objects, numbered from 1; 0 elsewhere."""
        return self.at_threshold.labels(self.of_run)


LINK_UM = 2.0
"""A nucleus belongs to stain this near: the blurred edge between both."""


def stained_halo_px(mpp: float, marker: MarkerDefinition, rules: StainedRules | None = None) -> int:
    """Pixels a window must show around a seed for its cell's object to be the same in every window.

    Parameters
    ----------
    mpp : float
        Micrometres per pixel.
    marker : MarkerDefinition
    rules : StainedRules, optional

    Returns
    -------
    int
    """
    rules = rules or StainedRules()
    support = radius_px(rules.smooth_um / mpp) + _steps(rules, mpp)
    support += math.ceil((rules.hole_um + rules.least_um) / mpp) + 4
    nucleus = NucleiParams.of_marker(marker).length_max_px(mpp) + math.ceil(LINK_UM / mpp)
    return nucleus + math.ceil(rules.object_um / mpp) + support


def find_stained(planes: Planes, threshold_od: float, rules: StainedRules | None = None) -> StainedObjects:
    """Stained area and its objects.

    Parameters
    ----------
    planes : Planes
    threshold_od : float
        DAB optical density.
    rules : StainedRules, optional

    Returns
    -------
    StainedObjects
    """
    rules = rules or StainedRules()
    levels = np.array([_levels(shift * threshold_od * _MOD, rules) for shift in SHIFTS], np.int64)
    smooth_px, steps = rules.smooth_um / planes.mpp, _steps(rules, planes.mpp)
    valid = None if planes.whole else planes.valid
    told = smooth_strong_and_beside(planes.dab, valid, smooth_px, levels, steps)
    area = tuple(_stained(bits, planes.shape[1], rules, planes.mpp) for bits in told)
    found = area[SHIFTS.index(1.0)].components(8)
    left, top, wide, high = found.boxes.T.astype(np.int64)
    height, width = planes.shape
    longest = rules.object_um / planes.mpp
    cut = np.column_stack([top == 0, left == 0, top + high == height, left + wide == width])
    long = (wide > longest) | (high > longest)
    pixels = np.where(cut.any(axis=1) | long, LARGE, found.pixels)
    return StainedObjects(area, found.of_run, found.first, pixels, long, cut)


def _steps(rules: StainedRules, mpp: float) -> int:
    return max(1, round(rules.reach_um / mpp))


def _levels(threshold_mod: float, rules: StainedRules) -> tuple[int, int]:
    return round(rules.low_share * threshold_mod), round(rules.high_share * threshold_mod)


def _stained(bits: Bits, width: int, rules: StainedRules, mpp: float) -> Runs:
    rows, spans = spans_of(bits)
    grown = Runs(rows, spans, width)
    gaps = grown.gaps()
    filled = grown.with_gaps(gaps, _small(gaps, rules.hole_um2, rules.hole_um, mpp, 4))
    return filled.only(~_small(filled, rules.least_um2, rules.least_um, mpp, 8))


def _small(runs: Runs, area_um2: float, side_um: float, mpp: float, connectivity: int) -> BoolArray:
    """Runs of components of less area that lie within a box of this side."""
    found = runs.components(connectivity)
    small = found.pixels * mpp**2 < area_um2
    small &= (found.boxes[:, 2:] <= side_um / mpp).all(axis=1)
    # the last, for none, takes what was appended
    return np.asarray(np.append(small, False)[found.of_run], np.bool_)
