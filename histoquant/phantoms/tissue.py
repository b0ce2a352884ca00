"""Where there is tissue: irregular biopsy fragments on glass, clefts, fibre direction, infiltrate density."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms._noise import bilinear, fractal_grid, noise

GRID_UM = 2.0  # spacing of the tissue, clearance and density grids
EDGE_UM = 1.6  # amplitude of the ragged edge below the grid spacing


@dataclass(frozen=True)
class Ground:
    """The tissue of one section on a grid of `GRID_UM`, arrays of shape (rows, columns).

    Attributes
    ----------
    level_um : ndarray of float64
        Roughly the distance to the tissue edge, positive inside (see `inside`).
    angle_c, angle_s : ndarray of float64
        Cosine and sine of twice the fibre direction.
    infiltrate : ndarray of float64
        Relative density of inflammatory cells, mean about 1 over tissue.
    seed : int
        Seed of the edge roughness.
    """

    level_um: NDArray[np.float64]
    angle_c: NDArray[np.float64]
    angle_s: NDArray[np.float64]
    infiltrate: NDArray[np.float64]
    seed: int


@njit(cache=True, nogil=True)
def inside(level_um: NDArray[np.float64], x: float, y: float, seed: int) -> float:
    """Return the signed depth, um, of a point below the ragged tissue edge (positive: tissue)."""
    level = bilinear(level_um, x / GRID_UM - 0.5, y / GRID_UM - 0.5)
    if -8.0 < level < 8.0:
        rough = 0.6 * noise(x / 7.0, y / 7.0, seed) + 0.4 * noise(x / 2.3, y / 2.3, seed + 1)
        level += 4.0 * EDGE_UM * (rough - 0.5)
    return float(level)


@njit(cache=True, nogil=True)
def mask_on(
    level_um: NDArray[np.float64], seed: int, height: int, width: int, step_um: float
) -> NDArray[np.bool_]:
    """Return the tissue mask sampled at the pixel centres of a grid with ``step_um`` spacing."""
    out = np.zeros((height, width), np.bool_)
    for j in range(height):
        for i in range(width):
            out[j, i] = inside(level_um, (i + 0.5) * step_um, (j + 0.5) * step_um, seed) > 0.0
    return out


@njit(cache=True, nogil=True)
def _capsules(height: int, width: int, nodes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the depth, um, inside a chain of discs given as (k, 3) rows x, y, radius."""
    out = np.empty((height, width))
    for j in range(height):
        y = (j + 0.5) * GRID_UM
        for i in range(width):
            x = (i + 0.5) * GRID_UM
            best = -1e12
            for k in range(nodes.shape[0] - 1):
                bx, by = nodes[k + 1, 0] - nodes[k, 0], nodes[k + 1, 1] - nodes[k, 1]
                length2 = bx * bx + by * by + 1e-9
                t = ((x - nodes[k, 0]) * bx + (y - nodes[k, 1]) * by) / length2
                t = min(max(t, 0.0), 1.0)
                radius = nodes[k, 2] + t * (nodes[k + 1, 2] - nodes[k, 2])
                d = np.hypot(x - nodes[k, 0] - t * bx, y - nodes[k, 1] - t * by)
                best = max(best, radius - d)
            out[j, i] = best
    return out


def curve(
    rng: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    length_um: float,
    bend: float,
    nodes: int,
) -> NDArray[np.float64]:
    """Return a wandering line, shape (nodes, 2), um; ``bend`` is the sd of each turn in radians."""
    steps = np.full(nodes - 1, length_um / (nodes - 1))
    turns = angle + np.cumsum(rng.normal(0.0, bend, nodes - 1))
    path = np.zeros((nodes, 2))
    path[1:, 0] = np.cumsum(steps * np.cos(turns))
    path[1:, 1] = np.cumsum(steps * np.sin(turns))
    return np.asarray(path - path.mean(axis=0) + np.array(start))


def _fragment_centres(
    rng: np.random.Generator, size_um: tuple[float, float], count: int
) -> list[tuple[float, float, float, float]]:
    """Return (x, y, half length, half breadth), um, of fragments side by side with glass between."""
    width, height = size_um
    shares = rng.dirichlet(np.full(count, 12.0))
    edges = np.concatenate([[0.0], np.cumsum(shares)]) * width
    out = []
    for left, right in itertools.pairwise(edges):
        room = 0.5 * (right - left)
        breadth = 0.80 * room
        length = 0.41 * height * rng.uniform(0.92, 1.0)
        out.append(
            (0.5 * (left + right), height * rng.uniform(0.48, 0.52), length, min(breadth, 0.40 * height))
        )
    return out


def biopsy_level(
    rng: np.random.Generator, size_um: tuple[float, float], fragments: int, seed: int
) -> NDArray[np.float64]:
    """Return ``level_um`` of 1-3 irregular fragments surrounded by glass, with a few clefts."""
    width, height = size_um
    rows, cols = round(height / GRID_UM), round(width / GRID_UM)
    level = np.full((rows, cols), -1e3)
    for x, y, length, breadth in _fragment_centres(rng, size_um, fragments):
        lying = breadth > length
        angle = (0.0 if lying else 0.5 * np.pi) + rng.normal(0.0, 0.10)
        radius = min(length, breadth)
        path = curve(rng, (x, y), angle, max(2.0 * (max(length, breadth) - radius), 4.0), 0.22, 6)
        radii = radius * rng.uniform(0.82, 1.02, (6, 1))
        level = np.maximum(level, _capsules(rows, cols, np.hstack([path, radii])))
    for scale, amplitude in ((300.0, 85.0), (110.0, 36.0), (38.0, 9.0), (12.0, 3.0)):
        level += 2.0 * amplitude * (fractal_grid(rows, cols, GRID_UM, scale, seed + int(scale), 1) - 0.5)
    across, down = np.arange(cols) * GRID_UM, np.arange(rows) * GRID_UM
    border = np.minimum.outer(np.minimum(down, down[-1] - down), np.minimum(across, across[-1] - across))
    wave = 0.11 * min(size_um) * fractal_grid(rows, cols, GRID_UM, 150.0, seed + 7, 4)
    level = np.minimum(level, border - wave)  # a fragment never reaches the edge of the scan
    return cut_clefts(rng, level, size_um)


def cut_clefts(
    rng: np.random.Generator, level: NDArray[np.float64], size_um: tuple[float, float]
) -> NDArray[np.float64]:
    """Return ``level`` with a few torn clefts, each wide enough to count as no tissue."""
    rows, cols = level.shape
    area_mm2 = size_um[0] * size_um[1] * 1e-6
    for _ in range(rng.poisson(1.6 * area_mm2)):
        start = (rng.uniform(0.0, size_um[0]), rng.uniform(0.0, size_um[1]))
        path = curve(rng, start, rng.uniform(0.0, np.pi), rng.uniform(60.0, 190.0), 0.35, 7)
        radii = np.interp(np.linspace(0.0, 1.0, 7), [0.0, 0.4, 1.0], [2.0, rng.uniform(9.0, 18.0), 2.0])
        wave = 8.0 * (fractal_grid(rows, cols, GRID_UM, 14.0, int(rng.integers(1 << 20)), 2) - 0.5)
        level = np.minimum(level, -_capsules(rows, cols, np.hstack([path, radii[:, None]])) + wave)
    return level


def make_ground(rng: np.random.Generator, size_um: tuple[float, float], fragments: int) -> Ground:
    """Lay out the tissue of one section.

    Parameters
    ----------
    rng : numpy.random.Generator
    size_um : (float, float)
        Width and height of the slide area, um.
    fragments : int
        1 to 3 fragments on glass; 0 gives a field filled with tissue; -1 a blank slide.
    """
    seed = int(rng.integers(1 << 24))
    rows, cols = round(size_um[1] / GRID_UM), round(size_um[0] / GRID_UM)
    if fragments > 0:
        level = biopsy_level(rng, size_um, fragments, seed)
    else:
        level = np.full((rows, cols), 1e3 if fragments == 0 else -1e3)
    swirl = fractal_grid(rows, cols, GRID_UM, 240.0, seed + 501, 2)
    angle = rng.uniform(0.0, np.pi) + 3.2 * (swirl - 0.5)
    clumps = fractal_grid(rows, cols, GRID_UM, 130.0, seed + 601, 3)
    infiltrate = np.clip((clumps - 0.28) / 0.22, 0.08, 2.6)
    tissue = level > 0.0
    if tissue.any():
        infiltrate /= infiltrate[tissue].mean()
    return Ground(level, np.cos(2.0 * angle), np.sin(2.0 * angle), infiltrate, seed)
