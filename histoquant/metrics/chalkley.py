"""Chalkley count of a section: hits of a 25-point graticule in three hotspots.

A relative area, not a number of vessels (science 2.4). In the microscope the graticule is turned until most
points lie on or within stained vessels; here all rotations are tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from histoquant.metrics.hotspot import HotspotRules, hotspot_centres
from histoquant.metrics.measured import Measured
from histoquant.metrics.tissue import Tissue

POINTS = 25
ROTATIONS = 72
"""Steps of 5 degrees: at the graticule's edge 22 um, less than a venule's width."""
HOTSPOTS = 3
PIXEL_UM = 0.5
DISC_MM2 = 0.196
"""Field of the graticule's disc: 0.155 - 0.196 mm2 in the literature."""


def graticule_um(disc_mm2: float = DISC_MM2) -> NDArray[np.float64]:
    """Points (x, y) of the graticule from its centre, shape (25, 2), each standing for an equal area.

    Chalkley's points lie at random; one fixed spread (Vogel's spiral) serves every slide alike.
    """
    k = np.arange(POINTS)
    radius = 1000 * math.sqrt(disc_mm2 / math.pi) * np.sqrt((k + 0.5) / POINTS)
    angle = k * math.pi * (3 - math.sqrt(5))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def most_hits(
    profiles_um: Sequence[NDArray[np.float64]], centre_um: tuple[float, float], disc_mm2: float
) -> int:
    """Largest number of graticule points on or within vessel profiles over all rotations.

    Parameters
    ----------
    profiles_um : sequence of ndarray, shape (k, 2)
        Outer outlines (x, y) of vessels.
    centre_um : tuple of float
        Centre of the graticule (x, y).
    disc_mm2 : float
        Area of its disc.
    """
    radius_um = 1000 * math.sqrt(disc_mm2 / math.pi)
    side = 2 * math.ceil(radius_um / PIXEL_UM) + 3
    corner = np.array(centre_um) - side * PIXEL_UM / 2
    mask = np.zeros((side, side), np.uint8)
    for outline in profiles_um:
        low, high = outline.min(axis=0) - corner, outline.max(axis=0) - corner
        if (high > 0).all() and (low < side * PIXEL_UM).all():
            # sixteenths of a pixel: the library's fixed point
            at = np.round((outline - corner) / PIXEL_UM * 16 - 8).astype(np.int32)
            cv2.fillPoly(mask, [at], 1, cv2.LINE_8, 4)
    points = graticule_um(disc_mm2)
    best = 0
    for step in range(ROTATIONS):
        turn = 2 * math.pi * step / ROTATIONS
        matrix = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        at = np.floor((points @ matrix + np.array(centre_um) - corner) / PIXEL_UM).astype(np.int64)
        best = max(best, int(mask[at[:, 1], at[:, 0]].sum()))
    return best


def chalkley_count(
    profiles_um: Sequence[NDArray[np.float64]],
    xy_um: NDArray[np.float64],
    tissue: Tissue,
    seed: int,
    rules: HotspotRules,
) -> Measured:
    """Mean over three hotspots of the most graticule points on vessels.

    Parameters
    ----------
    profiles_um : sequence of ndarray, shape (k, 2)
        Outer outlines (x, y) of vessels.
    xy_um : ndarray of float64, shape (n, 2)
        Their centroids; hotspots are the fields that hold most of them.
    tissue : Tissue
        Quantifiable tissue.
    seed : int
        Draws the candidate fields, as for the vessel hotspot.
    rules : HotspotRules
        ``disc_mm2`` is the graticule's disc, ``fields`` the number of candidates.

    Returns
    -------
    Measured
        0 to 25; ``NO_TISSUE``, ``NO_FIELD`` or ``FEW_FIELDS`` where three fields do not fit.
    """
    centres, reason = hotspot_centres(xy_um, tissue, seed, rules, HOTSPOTS)
    if reason is not None:
        return Measured.missing(reason)
    hits = [most_hits(profiles_um, (float(x), float(y)), rules.disc_mm2) for x, y in centres]
    return Measured(math.fsum(hits) / len(hits))
