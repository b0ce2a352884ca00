"""Collagen: wavy fibres drawn along the local direction, over a fine ground substance."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms._noise import fractal, noise
from histoquant.phantoms.bodies import RASTER_UM
from histoquant.phantoms.tissue import GRID_UM, Ground, inside

STEPS = 9  # nodes of one fibre


FIBRES_PER_MM2 = (9000.0, 6000.0)  # textbook stroma, and how many more at variety 1


def grow_fibres(rng: np.random.Generator, ground: Ground, variety: float) -> NDArray[np.float64]:
    """Return fibres, shape (n, STEPS, 4): x, y, half-width (um), OD; they follow the ground's direction.

    ``variety`` adds fibres and lets some of them stain up to twice as strongly, as dense collagen does.
    """
    rows, cols = ground.level_um.shape
    per_mm2 = FIBRES_PER_MM2[0] + variety * FIBRES_PER_MM2[1]
    count = rng.poisson(per_mm2 * rows * cols * GRID_UM**2 * 1e-6)
    fibres = np.zeros((count, STEPS, 4))
    at = np.column_stack([rng.uniform(0, cols * GRID_UM, count), rng.uniform(0, rows * GRID_UM, count)])
    step = rng.uniform(2.5, 9.0, count)
    wobble = rng.normal(0.0, 0.22, count)
    phase = rng.uniform(0.0, 6.28, count)
    half = rng.uniform(0.3, 1.1, count) ** 1.3
    strength = 0.010 + (0.045 + 0.035 * variety) * rng.uniform(0.0, 1.0, count) ** 2
    heading = np.zeros(count)
    for k in range(STEPS):
        fibres[:, k, :2] = at
        i = np.clip((at[:, 0] / GRID_UM).astype(int), 0, cols - 1)
        j = np.clip((at[:, 1] / GRID_UM).astype(int), 0, rows - 1)
        axis = 0.5 * np.arctan2(ground.angle_s[j, i], ground.angle_c[j, i])
        if k > 0:  # an axis has two directions: go on, never back
            axis = axis + np.pi * np.rint((heading - axis) / np.pi)
        heading = axis
        angle = axis + wobble + 0.35 * np.sin(1.3 * k + phase)
        at = at + step[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        fibres[:, k, 2] = half * (0.5 + math.sin(math.pi * (k + 0.5) / STEPS))
        fibres[:, k, 3] = strength * math.sin(math.pi * (k + 0.5) / STEPS)
    return fibres


@njit(cache=True, nogil=True)
def draw_ground(
    level_um: NDArray[np.float64],
    seed: int,
    tone_od: tuple[float, float],
    planes: NDArray[np.float32],
    mask: NDArray[np.bool_],
    origin_px: tuple[int, int],
) -> None:
    """Fill ``planes`` with ground of ``tone_od`` (haematoxylin, second stain); set the tissue ``mask``."""
    height, width = mask.shape
    base_od, haze_od = tone_od
    x0_px, y0_px = origin_px
    for j in range(height):
        y = (j + y0_px + 0.5) * RASTER_UM
        for i in range(width):
            x = (i + x0_px + 0.5) * RASTER_UM
            depth = inside(level_um, x, y, seed)
            if depth <= 0.0:
                continue
            mask[j, i] = True
            edge = min(1.0, 0.35 + depth / 0.8)
            cloud = 0.55 + 0.9 * fractal(x / 28.0, y / 28.0, seed + 71, 3)
            fine = 0.45 + 1.1 * (
                0.6 * noise(x / 1.7, y / 1.7, seed + 81) + 0.4 * noise(x / 0.7, y / 0.7, seed + 82)
            )
            planes[0, j, i] = base_od * cloud * fine * edge
            planes[1, j, i] = haze_od * (0.2 + 1.6 * noise(x / 90.0, y / 90.0, seed + 91)) * fine * edge


@njit(cache=True, nogil=True)
def draw_fibres(
    fibres: NDArray[np.float64],
    second: float,
    planes: NDArray[np.float32],
    mask: NDArray[np.bool_],
    x0_px: int,
    y0_px: int,
) -> None:
    """Add fibres inside the tissue; ``second`` is the second stain's OD relative to haematoxylin's."""
    for f in range(fibres.shape[0]):
        for k in range(fibres.shape[1] - 1):
            _draw_piece(fibres[f, k], fibres[f, k + 1], second, planes, mask, (x0_px, y0_px))


@njit(cache=True, nogil=True)
def _draw_piece(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    second: float,
    planes: NDArray[np.float32],
    mask: NDArray[np.bool_],
    origin: tuple[int, int],
) -> None:
    """Add one straight piece of a fibre between nodes a and b (x, y, half-width, OD)."""
    height, width = mask.shape
    reach = 2.0 * max(a[2], b[2]) + 0.5
    left = max(0, int((min(a[0], b[0]) - reach) / RASTER_UM) - origin[0])
    right = min(width, int((max(a[0], b[0]) + reach) / RASTER_UM) + 1 - origin[0])
    top = max(0, int((min(a[1], b[1]) - reach) / RASTER_UM) - origin[1])
    bottom = min(height, int((max(a[1], b[1]) + reach) / RASTER_UM) + 1 - origin[1])
    dx, dy = b[0] - a[0], b[1] - a[1]
    length2 = dx * dx + dy * dy + 1e-9
    for j in range(top, bottom):
        y = (j + origin[1] + 0.5) * RASTER_UM
        for i in range(left, right):
            if not mask[j, i]:
                continue
            x = (i + origin[0] + 0.5) * RASTER_UM
            t = ((x - a[0]) * dx + (y - a[1]) * dy) / length2
            if t < 0.0 or t >= 1.0:  # each point of the line belongs to one piece
                continue
            half = a[2] + t * (b[2] - a[2])
            ex, ey = x - a[0] - t * dx, y - a[1] - t * dy
            q = (ex * ex + ey * ey) / (half * half)
            if q < 4.0:
                w = (1.0 - 0.25 * q) ** 2 * (a[3] + t * (b[3] - a[3]))
                planes[0, j, i] += w
                planes[1, j, i] += second * w
