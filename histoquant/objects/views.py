"""What the passes of the nucleus search look at: darkness, its levels, and what the stain makes doubtful."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from histoquant.objects.lookup import Steps, levels_over, mix, smooth_share
from histoquant.objects.nuclei_params import NucleiParams
from histoquant.objects.planes import Planes
from histoquant.objects.smoothing import smooth

Int16Array = npt.NDArray[np.int16]
UInt8Array = npt.NDArray[np.uint8]

# Darkness past 4 OD is noise of the last grey value.
_DARKEST_MOD = 4000
_MOD = 1000.0


def view(planes: Planes, params: NucleiParams) -> tuple[Int16Array, UInt8Array]:
    """Smoothed darkness and its levels, as one pass weighs both stains.

    Parameters
    ----------
    planes : Planes
    params : NucleiParams

    Returns
    -------
    dark : ndarray of int16, shape (h, w)
        `darkness`, smoothed.
    levels : ndarray of uint8, shape (h, w)
        As of `level_image`.
    """
    dark = smooth(_mixed(planes, params), params.detail_um / planes.mpp)
    return dark, level_image(dark, planes, params)


def darkness(planes: Planes, params: NucleiParams) -> Int16Array:
    """Evidence of nucleus: haematoxylin plus a share of DAB, compressed, in thousandths of OD.

    Parameters
    ----------
    planes : Planes
    params : NucleiParams

    Returns
    -------
    ndarray of int16, shape (h, w)
    """
    return _mixed(planes, params).copy()


def _mixed(planes: Planes, params: NucleiParams) -> Int16Array:
    """As `darkness`, until this thread asks again or tells edges."""
    percent = round(100 * params.dab_weight)
    # negative DAB is blue that the vectors do not fit; it is no evidence against a nucleus
    floor = round(params.dab_floor_od * _MOD) if percent > 0 else 0
    knee = params.knee_od * _MOD
    compressed = np.rint(knee * np.log1p(np.arange(_DARKEST_MOD + 1) / knee)).astype(np.int16)
    hematoxylin, dab, gain = planes.stains
    return mix(hematoxylin, dab, percent, floor, compressed, gain)


def level_image(dark: Int16Array, planes: Planes, params: NucleiParams) -> UInt8Array:
    """Levels at which regions are formed; 0 where no nucleus can be.

    Parameters
    ----------
    dark : ndarray of int16, shape (h, w)
        Smoothed darkness.
    planes : Planes
    params : NucleiParams

    Returns
    -------
    ndarray of uint8, shape (h, w)
    """
    # the surroundings' kernel runs on the smoothed plane: variances of Gaussians add
    rest_um = math.sqrt(max(0.0, params.surround_um**2 - params.detail_um**2))
    share, floor = round(100 * params.surround_share), round(params.floor_od * _MOD)
    rule = Steps(share, floor, max(1, round(params.level_od * _MOD)))
    return levels_over(dark, planes.known, rule, rest_um / planes.mpp)


def doubt_of(planes: Planes, params: NucleiParams) -> Int16Array:
    """What is taken off the step across an edge: a share of the stain outside; int16, shape (h, w)."""
    _, dab, gain = planes.stains
    return smooth_share(dab, round(100 * params.dab_doubt), params.detail_um / planes.mpp, gain)
