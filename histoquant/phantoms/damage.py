"""What harms the tissue before it is scanned: DAB piled up along an edge, and crushed cells.

Both act on stain amounts, so that they add and absorb like everything else in the section.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.phantoms._noise import fractal, noise
from histoquant.phantoms.artefacts import Artefact, depth_in, window_of
from histoquant.phantoms.bodies import RASTER_UM
from histoquant.phantoms.scene import Scene
from histoquant.phantoms.section import StainPlanes, stain_planes
from histoquant.phantoms.tissue import GRID_UM, Ground

Plane = NDArray[np.float32]

EDGE_OD = 0.55  # DAB at the very edge, strength 1: reagent dries there and reacts on
EDGE_NODE_UM = 30.0
SMEAR_UM = 11.0  # how far crushing draws a nucleus out at most, to each side
SMEAR_STEPS = 12
RAMP_UM = 22.0  # crushed tissue passes into sound tissue over this


def along_edge(artefact: Artefact, ground: Ground) -> Artefact:
    """Return an artefact whose empty path is filled with half of the longest tissue edge.

    Raises
    ------
    UsageError
        If the tissue fills the whole field and has no edge.
    """
    from skimage.measure import find_contours

    if artefact.path:
        return artefact
    lines = find_contours(ground.level_um, 0.0)
    if not lines:
        raise UsageError(f"phantom {artefact.kind}: tissue without an edge; set fragments=1 or a path")
    line = max(lines, key=len) * GRID_UM
    chosen = line[: len(line) // 2 : max(1, round(EDGE_NODE_UM / GRID_UM))]
    return replace(artefact, path=tuple((float(x), float(y)) for y, x in chosen))


def damage_stains(
    planes: StainPlanes, artefacts: tuple[Artefact, ...], scene: Scene, x0: int, y0: int
) -> StainPlanes:
    """Return the stain amounts after edge DAB and crushing; the marker plane is left as it is.

    Parameters
    ----------
    planes : StainPlanes
        The window of the section whose corner is raster point ``x0, y0``.
    artefacts : tuple of Artefact
    scene : Scene
        Needed to draw what a smear brings in from outside the window.
    """
    second, hematoxylin = planes.second, planes.hematoxylin
    soft = planes.soft
    for artefact in artefacts:
        part = window_of(artefact, (second.shape[0], second.shape[1]), x0, y0)
        if part is None or artefact.kind not in ("edge_dab", "crush"):
            continue
        depth = np.asarray(depth_in(artefact, part, x0, y0))
        corner = (part[1].start + x0, part[0].start + y0)
        if artefact.kind == "edge_dab":
            second = second.copy()
            amount = _piled(depth, artefact.reach_um, corner, artefact.seed) * artefact.strength
            second[part] += np.asarray(amount * planes.tissue[part], dtype=np.float32)
            continue
        share = np.asarray(np.clip(depth / RAMP_UM + 0.5, 0.0, 1.0), dtype=np.float32)
        smeared = _smear(scene, corner, share.shape, artefact.seed)
        hematoxylin, second = hematoxylin.copy(), second.copy()
        hematoxylin[part] += share * (smeared[0] - hematoxylin[part])
        second[part] += share * (smeared[1] - second[part])
        soft = tuple(layer.copy() for layer in soft)
        for layer in soft:
            layer[:, part[0], part[1]] *= 1.0 - share
    return replace(planes, hematoxylin=hematoxylin, second=second, soft=soft)


def _smear(scene: Scene, corner: tuple[int, int], shape: tuple[int, int], seed: int) -> Plane:
    """Return haematoxylin and second stain drawn out into wavy streaks, shape (2, h, w)."""
    margin = math.ceil(SMEAR_UM / RASTER_UM) + 2
    height, width = shape
    x0, y0 = corner[0] - margin, corner[1] - margin
    wide = stain_planes(scene, x0, y0, width + 2 * margin, height + 2 * margin).stack()
    out = np.empty((2, height, width), np.float32)
    _draw_out(wide, out, corner, seed)
    return out


@njit(cache=True, nogil=True)
def _draw_out(wide: Plane, out: Plane, corner: tuple[int, int], seed: int) -> None:
    """Fill ``out`` from ``wide``, larger by the same margin on every side.

    A nucleus leaves a dark streak (the greatest amount along the way, tapering), cytoplasm a mean; length
    and direction of the way wander with the place.
    """
    margin = (wide.shape[1] - out.shape[1]) // 2
    base = 0.7 + 1.9 * (seed % 7)
    for j in range(out.shape[1]):
        y = (j + corner[1] + 0.5) * RASTER_UM
        for i in range(out.shape[2]):
            x = (i + corner[0] + 0.5) * RASTER_UM
            angle = base + 2.4 * (fractal(x / 45.0, y / 45.0, seed, 2) - 0.5)
            reach = SMEAR_UM * min(0.15 + 1.1 * noise(x / 13.0, y / 13.0, seed + 3), 1.0) / RASTER_UM
            c, s = math.cos(angle), math.sin(angle)
            streak, h, d, total = 0.0, 0.0, 0.0, 0.0
            for step in range(-SMEAR_STEPS, SMEAR_STEPS + 1):
                far = reach * step / SMEAR_STEPS
                jj, ii = j + margin + round(far * s), i + margin + round(far * c)
                weight = 1.0 - 0.75 * abs(step) / SMEAR_STEPS
                streak = max(streak, weight * wide[0, jj, ii])
                h += weight * wide[0, jj, ii]
                d += weight * wide[1, jj, ii]
                total += weight
            out[0, j, i] = 0.55 * streak + 0.6 * h / total
            out[1, j, i] = 1.1 * d / total


@njit(cache=True, nogil=True)
def _piled(
    depth: NDArray[np.float64], reach_um: float, corner: tuple[int, int], seed: int
) -> NDArray[np.float64]:
    """Return the DAB OD along an edge: strongest at the edge, cloudy, gone at ``reach_um``."""
    out = np.zeros_like(depth)
    for j in range(depth.shape[0]):
        y = (j + corner[1] + 0.5) * RASTER_UM
        for i in range(depth.shape[1]):
            if depth[j, i] <= 0.0:
                continue
            x = (i + corner[0] + 0.5) * RASTER_UM
            near = min(depth[j, i] / reach_um, 1.0)
            cloud = 0.35 + 1.3 * fractal(x / 26.0, y / 26.0, seed, 3)
            fine = 0.7 + 0.6 * noise(x / 1.4, y / 1.4, seed + 5)
            out[j, i] = EDGE_OD * near**1.3 * cloud * fine
    return out
