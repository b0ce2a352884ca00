"""Lattice noise that is a pure function of position in micrometres, so that any window draws the same."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MASK = 0xFFFFFFFF


@njit(cache=True, nogil=True)
def lattice(ix: int, iy: int, seed: int) -> float:
    """Return a hash of an integer lattice point, uniform in [0, 1)."""
    h = (ix * 374761393 + iy * 668265263 + seed * 1442695041) & _MASK
    h = ((h ^ (h >> 13)) * 1274126177) & _MASK
    h = ((h ^ (h >> 15)) * 1103515245) & _MASK
    return float(h ^ (h >> 16)) / 4294967296.0


@njit(cache=True, nogil=True)
def noise(x: float, y: float, seed: int) -> float:
    """Return smooth value noise in [0, 1); one lattice step per unit of ``x`` and ``y``."""
    fx, fy = math.floor(x), math.floor(y)
    ix, iy = int(fx), int(fy)
    u, v = x - fx, y - fy
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    top = lattice(ix, iy, seed) * (1.0 - u) + lattice(ix + 1, iy, seed) * u
    low = lattice(ix, iy + 1, seed) * (1.0 - u) + lattice(ix + 1, iy + 1, seed) * u
    return float(top * (1.0 - v) + low * v)


@njit(cache=True, nogil=True)
def fractal(x: float, y: float, seed: int, octaves: int) -> float:
    """Return the weighted mean of ``octaves`` halving scales of `noise`, in [0, 1)."""
    total, weight, amplitude = 0.0, 0.0, 1.0
    for octave in range(octaves):
        total += amplitude * noise(x, y, seed + 101 * octave)
        weight += amplitude
        amplitude *= 0.5
        # twice as fine and turned by 37 degrees, so that the lattice's axes never show
        x, y = 1.6 * x - 1.2 * y + 17.3, 1.2 * x + 1.6 * y - 9.1
    return float(total / weight)


@njit(cache=True, nogil=True)
def smoothstep(low: float, high: float, value: float) -> float:
    """Return 0 below ``low``, 1 above ``high`` and a smooth cubic between."""
    t = (value - low) / (high - low)
    if t <= 0.0:
        return 0.0
    if t >= 1.0:
        return 1.0
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, nogil=True)
def fractal_grid(
    height: int, width: int, step_um: float, scale_um: float, seed: int, octaves: int
) -> NDArray[np.float64]:
    """Sample `fractal` at the pixel centres of a grid with ``step_um`` spacing; shape (height, width)."""
    out = np.empty((height, width))
    angle = 0.4 + 0.8 * lattice(seed, 0, 1)  # no outline should follow the axes of the image
    c, s = math.cos(angle) * step_um / scale_um, math.sin(angle) * step_um / scale_um
    for j in range(height):
        for i in range(width):
            x, y = i + 0.5, j + 0.5
            out[j, i] = fractal(c * x - s * y, s * x + c * y, seed, octaves)
    return out


@njit(cache=True, nogil=True)
def bilinear(grid: NDArray[np.float64], x: float, y: float) -> float:
    """Interpolate a grid at fractional pixel coordinates (pixel centres at integers), edges held."""
    height, width = grid.shape
    x = min(max(x, 0.0), width - 1.0)
    y = min(max(y, 0.0), height - 1.0)
    i, j = min(int(x), width - 2), min(int(y), height - 2)
    u, v = x - i, y - j
    top = grid[j, i] * (1.0 - u) + grid[j, i + 1] * u
    low = grid[j + 1, i] * (1.0 - u) + grid[j + 1, i + 1] * u
    return float(top * (1.0 - v) + low * v)
