"""What goes wrong between block and file: folds, ink, bubbles, blur, debris, coverslip edges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms._noise import fractal, noise, smoothstep
from histoquant.phantoms.bodies import RASTER_UM
from histoquant.phantoms.camera import blur, gaussian_taps
from histoquant.phantoms.scene import Scene
from histoquant.phantoms.section import stain_planes

KINDS = ("fold", "pen", "bubble", "defocus", "debris", "coverslip", "edge_dab", "crush")
ON_STAIN = ("fold", "edge_dab", "crush")  # these change what the section absorbs, not the light
EXCLUDING = ("fold", "pen", "bubble", "defocus", "edge_dab", "crush")  # nobody should count under these
WAVES = {  # waviness of the outline, share of its reach
    "fold": 0.55, "pen": 0.10, "bubble": 0.05, "defocus": 0.35, "edge_dab": 0.35, "crush": 0.7,
}  # fmt: skip
INKS = {  # OD of marker ink, R, G, B
    "blue": (1.10, 0.62, 0.16),
    "green": (1.00, 0.30, 0.85),
    "black": (1.20, 1.22, 1.18),
}

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Artefact:
    """One artefact on the slide.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    path : tuple of (float, float)
        Points in um: the line of a fold, pen stroke, fibre or coverslip edge; the centre of a bubble or
        out-of-focus or crushed patch; empty for ``edge_dab``: `damage.along_edge` finds the edge.
    reach_um : float
        Half-width of a line, radius of a bubble or patch.
    ink : str
        Colour of a pen stroke, one of `INKS`.
    strength : float
        Defocus sigma in um; density of ink or debris relative to normal.
    seed : int
        Seed of the artefact's own texture.
    """

    kind: str
    path: tuple[tuple[float, float], ...]
    reach_um: float
    ink: str = "blue"
    strength: float = 1.0
    seed: int = 1

    @property
    def excludes(self) -> bool:
        """Whether tissue under it is not to be counted."""
        return self.kind in EXCLUDING

    def depth(self, x_um: NDArray[np.floating], y_um: NDArray[np.floating]) -> Points:
        """Return how far points lie inside the artefact's outline, um (negative: outside)."""
        nodes = np.array(self.path + self.path[-1:] if len(self.path) == 1 else self.path, dtype=float)
        shape = np.broadcast(x_um, y_um).shape
        x, y = np.broadcast_to(x_um, shape).ravel(), np.broadcast_to(y_um, shape).ravel()
        wave = WAVES.get(self.kind, 0.0)
        taper = self.kind == "fold"
        return np.asarray(_depth(nodes, (self.reach_um, wave), taper, self.seed, x, y).reshape(shape))

    def covers(self, x_um: NDArray[np.floating], y_um: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which points are lost to counting."""
        if not self.excludes:
            return np.zeros(np.broadcast(x_um, y_um).shape, np.bool_)
        return np.asarray(self.depth(x_um, y_um) > 0.0)


@njit(cache=True, nogil=True)
def _depth(nodes: Points, size: tuple[float, float], taper: bool, seed: int, x: Points, y: Points) -> Points:
    reach, wave = size
    out = np.empty(x.size)
    for n in range(x.size):
        best, along = 1e12, 0.0
        for k in range(nodes.shape[0] - 1):
            bx, by = nodes[k + 1, 0] - nodes[k, 0], nodes[k + 1, 1] - nodes[k, 1]
            t = ((x[n] - nodes[k, 0]) * bx + (y[n] - nodes[k, 1]) * by) / (bx * bx + by * by + 1e-9)
            t = min(max(t, 0.0), 1.0)
            gap = math.hypot(x[n] - nodes[k, 0] - t * bx, y[n] - nodes[k, 1] - t * by)
            if gap < best:
                best, along = gap, 2.0 * (k + t) / (nodes.shape[0] - 1) - 1.0
        rough = 1.0
        if wave > 0.0:
            scale = max(1.2 * reach, 12.0)
            rough += 2.0 * wave * (fractal(x[n] / scale, y[n] / scale, seed, 2) - 0.5)
        half = reach * (1.0 - 0.85 * along * along) if taper else reach
        out[n] = half * rough - best
    return out


def halo_um(artefacts: tuple[Artefact, ...]) -> float:
    """Return how far beyond a window the artefacts look."""
    sigmas = [a.strength for a in artefacts if a.kind == "defocus"] + [
        1.0 for a in artefacts if a.kind == "bubble"
    ]
    return 3.5 * max(sigmas, default=0.0)


def window_of(artefact: Artefact, shape: tuple[int, int], x0: int, y0: int) -> tuple[slice, slice] | None:
    """Return the rows and columns of a window the artefact can touch, or None."""
    nodes = np.array(artefact.path)
    reach = 1.5 * artefact.reach_um + 12.0
    left = max(0, int((nodes[:, 0].min() - reach) / RASTER_UM) - x0)
    right = min(shape[1], int((nodes[:, 0].max() + reach) / RASTER_UM) + 1 - x0)
    top = max(0, int((nodes[:, 1].min() - reach) / RASTER_UM) - y0)
    bottom = min(shape[0], int((nodes[:, 1].max() + reach) / RASTER_UM) + 1 - y0)
    return None if right <= left or bottom <= top else (slice(top, bottom), slice(left, right))


def depth_in(artefact: Artefact, part: tuple[slice, slice], x0: int, y0: int) -> Points:
    """Return the depth inside the artefact, um, on the raster of one part of a window."""
    x = (np.arange(part[1].start, part[1].stop) + x0 + 0.5) * RASTER_UM
    y = (np.arange(part[0].start, part[0].stop) + y0 + 0.5) * RASTER_UM
    return artefact.depth(x[None, :], y[:, None])


def fold_stains(
    stains: NDArray[np.float32], artefacts: tuple[Artefact, ...], scene: Scene, x0: int, y0: int
) -> NDArray[np.float32]:
    """Lay a second sheet of the same tissue over each fold: amounts add (Beer-Lambert), nothing is faked."""
    for artefact in artefacts:
        if artefact.kind != "fold":
            continue
        part = window_of(artefact, (stains.shape[1], stains.shape[2]), x0, y0)
        if part is None:
            continue
        over = np.asarray(np.clip(depth_in(artefact, part, x0, y0) / 1.5 + 0.5, 0.0, 1.0), dtype=np.float32)
        shift = round(2.3 * artefact.reach_um / RASTER_UM)  # the flap comes from beside the fold
        rows, cols = part
        other = stain_planes(
            scene,
            x0 + cols.start + shift,
            y0 + rows.start + shift // 3,
            cols.stop - cols.start,
            rows.stop - rows.start,
        ).stack()
        third = stain_planes(
            scene, x0 + cols.start - shift, y0 + rows.start, cols.stop - cols.start, rows.stop - rows.start
        ).stack()
        stains[:, rows, cols] += over * (other + third)
    return stains


def bend_light(
    light: NDArray[np.float32], artefacts: tuple[Artefact, ...], x0: int, y0: int
) -> NDArray[np.float32]:
    """Apply every artefact that acts on light, in the order given; ``light`` is (3, h, w) on the raster."""
    for artefact in artefacts:
        part = window_of(artefact, (light.shape[1], light.shape[2]), x0, y0)
        if part is None or artefact.kind in ON_STAIN:
            continue
        depth = depth_in(artefact, part, x0, y0)
        rows, cols = part
        if artefact.kind in ("defocus", "bubble"):
            soft = _defocused(light, part, artefact.strength if artefact.kind == "defocus" else 1.0)
            ramp = 40.0 if artefact.kind == "defocus" else 2.0
            mix = np.asarray(np.clip(depth / ramp + 0.5, 0.0, 1.0), dtype=np.float32)
            light[:, rows, cols] += mix * (soft - light[:, rows, cols])
        if artefact.kind == "defocus":
            continue
        od = _optical_density(artefact, depth, part, x0, y0)
        light[:, rows, cols] *= np.power(np.float32(10.0), -od)
    return light


def _defocused(light: NDArray[np.float32], part: tuple[slice, slice], sigma_um: float) -> NDArray[np.float32]:
    """Return a part of ``light`` blurred by ``sigma_um``, reading as far beyond the part as it can."""
    taps = gaussian_taps(sigma_um / RASTER_UM)
    half = taps.size // 2
    top, left = max(0, part[0].start - half), max(0, part[1].start - half)
    wide = np.ascontiguousarray(light[:, top : part[0].stop + half, left : part[1].stop + half])
    rows = slice(part[0].start - top, part[0].stop - top)
    cols = slice(part[1].start - left, part[1].stop - left)
    return np.asarray(blur(wide, taps)[:, rows, cols])


def _optical_density(
    artefact: Artefact, depth: Points, part: tuple[slice, slice], x0: int, y0: int
) -> NDArray[np.float32]:
    """Return the OD (3, h, w) an artefact adds."""
    if artefact.kind == "pen":
        amount = _ink(depth, part[1].start + x0, part[0].start + y0, artefact.seed) * artefact.strength
        ink = np.array(INKS[artefact.ink], dtype=np.float32)[:, None, None]
        return np.asarray(ink * amount[None], dtype=np.float32)
    if artefact.kind == "bubble":
        # a gas bubble is a lens: a dark rim where light is bent out, a bright line inside it
        rim = 0.75 * np.exp(-0.5 * ((depth - 2.0) / 2.6) ** 2) - 0.05 * np.exp(
            -0.5 * ((depth - 9.0) / 3.0) ** 2
        )
        grey = rim + 0.035 * (depth > 0.0)
        return np.asarray(np.stack([grey, 0.98 * grey, 0.93 * grey]), dtype=np.float32)
    if artefact.kind == "coverslip":
        line = 0.55 * np.exp(-0.5 * (depth / 2.2) ** 2) - 0.03 * np.exp(-0.5 * ((depth + 8.0) / 3.0) ** 2)
        return np.asarray(np.stack([line, line, 0.95 * line]), dtype=np.float32)
    speck = artefact.strength * np.clip(depth / 1.5 + 0.3, 0.0, 1.0)
    return np.asarray(np.stack([0.55 * speck, 0.60 * speck, 0.62 * speck]), dtype=np.float32)


@njit(cache=True, nogil=True)
def _ink(depth: Points, x0: int, y0: int, seed: int) -> Points:
    out = np.empty_like(depth)
    for j in range(depth.shape[0]):
        y = (j + y0 + 0.5) * RASTER_UM
        for i in range(depth.shape[1]):
            x = (i + x0 + 0.5) * RASTER_UM
            cover = smoothstep(-5.0, 9.0, depth[j, i])
            streak = 0.72 + 0.4 * noise(x / 60.0, y / 9.0, seed) + 0.12 * noise(x / 3.0, y / 3.0, seed + 1)
            rim = 0.25 * math.exp(-0.5 * ((depth[j, i] - 6.0) / 4.0) ** 2)  # ink dries darker at its edge
            out[j, i] = cover * streak + cover * rim
    return out
