"""Depth of focus: what lies far from the focal plane is imaged as a soft veil.

A 4 um section is thicker than the depth of field of a 20x/0.75 lens (about 1 um), and no section lies
perfectly flat. A point ``dz`` from focus is spread over a disc of radius ``dz tan(asin(NA / n))``, 0.58 dz at
NA 0.75 in resin of index 1.5; a disc of radius r has standard deviation r / 2.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms._noise import noise
from histoquant.phantoms.bodies import SECTION_UM

SOFT_UM = (0.40, 0.80)  # blur of the two layers out of focus, standard deviation
LIMITS_UM = (0.95, 1.75)  # distance from the focal plane at which each of them begins
WAVE_UM = 0.9  # how far the focal plane wanders from the middle of the section


def focus_layers(bodies: NDArray[np.void], seed: int, variety: float) -> NDArray[np.int64]:
    """Return the focal layer of each body: 0 sharp, then 1 and 2 as in `SOFT_UM`.

    Parameters
    ----------
    bodies : ndarray of `bodies.BODY`
    seed : int
        Seed of the wandering focal plane.
    variety : float
        0 puts everything into focus; 1 is a usual scan.
    """
    if variety == 0.0 or len(bodies) == 0:
        return np.zeros(len(bodies), np.int64)
    half = np.sqrt(bodies["uu"] / np.maximum(bodies["uu"] * bodies["zz"] - bodies["uz"] ** 2, 1e-9))
    low = np.maximum(bodies["z"] - half, 0.0)
    high = np.minimum(bodies["z"] + half, SECTION_UM)
    away = np.abs(0.5 * (low + high) - 0.5 * SECTION_UM - _plane(bodies["x"], bodies["y"], seed))
    return np.asarray(np.searchsorted(np.array(LIMITS_UM), variety * away, side="right"))


@njit(cache=True, nogil=True)
def _plane(x: NDArray[np.float64], y: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    out = np.empty(x.size)
    for k in range(x.size):
        out[k] = 2.0 * WAVE_UM * (noise(x[k] / 110.0, y[k] / 110.0, seed + 811) - 0.5)
    return out
