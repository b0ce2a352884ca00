"""Vessels, crypts, gaps and collagen: the architecture the cells sit in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoquant.phantoms.tissue import curve
from histoquant.phantoms.tubes import CRYPT, GAP, VESSEL

VESSEL_KINDS = ("ring", "slit", "lengthwise", "sprout")
VESSEL_MIX = (0.36, 0.26, 0.22, 0.16)  # cross, collapsed, long and solid profiles of granulation tissue

Line = NDArray[np.float64]
Record = dict[str, float]


def vessel(rng: np.random.Generator, at: tuple[float, float], angle: float, kind: str) -> tuple[Record, Line]:
    """Return settings and centre line of one vessel profile (`VESSEL_KINDS`) at ``at`` um."""
    record: Record = {
        "kind": VESSEL,
        "seed": int(rng.integers(1 << 24)),
        "wall_um": rng.uniform(1.4, 2.2),
        "warp_um": rng.uniform(0.6, 1.4),
        "warp_scale_um": 9.0,
        "uneven": rng.uniform(0.35, 0.7),
        "slant_x": rng.normal(0.0, 0.16),
        "slant_y": rng.normal(0.0, 0.16),
        "wall_h": 0.10,
        "fill_h": 0.006,
    }
    if kind == "ring":
        radius = float(np.clip(np.exp(rng.normal(np.log(6.5), 0.38)), 4.2, 26.0))
        path = curve(rng, at, angle, radius * rng.uniform(0.2, 1.0), 0.2, 4)
        radii = radius * rng.uniform(0.85, 1.0, 4)
        record["warp_um"] = 0.16 * radius
    elif kind == "slit":
        path = curve(rng, at, angle, rng.uniform(16.0, 38.0), 0.22, 7)
        radii = rng.uniform(2.7, 4.4) * np.array([0.55, 0.85, 1.0, 1.0, 0.95, 0.8, 0.5])
    elif kind == "lengthwise":
        path = curve(rng, at, angle, rng.uniform(38.0, 105.0), 0.20, 10)
        radii = rng.uniform(3.4, 5.6) * rng.uniform(0.8, 1.15, 10)
        radii[[0, -1]] *= 0.6
    else:
        path = curve(rng, at, angle, rng.uniform(11.0, 30.0), 0.28, 6)
        radii = rng.uniform(1.0, 1.45) * np.array([0.5, 0.9, 1.25, 1.1, 0.8, 0.35])
        record["warp_um"] = 0.4
    return record, np.column_stack([path, radii])


def crypt(rng: np.random.Generator, at: tuple[float, float], angle: float) -> tuple[Record, Line]:
    """Return settings and centre line of one crypt: an epithelial ring about a slit of a lumen."""
    radius = rng.uniform(25.0, 34.0)
    path = curve(rng, at, angle, float(np.exp(rng.normal(np.log(30.0), 0.6))), 0.15, 5)
    record: Record = {
        "kind": CRYPT,
        "seed": int(rng.integers(1 << 24)),
        "wall_um": radius - rng.uniform(4.0, 8.5),
        "warp_um": 2.6,
        "warp_scale_um": 24.0,
        "wall_h": 0.17,
        "wall_s": 0.035,
        "fill_h": 0.012,
        "fill_s": 0.004,
    }
    return record, np.column_stack([path, radius * rng.uniform(0.93, 1.05, 5)])


def gap(rng: np.random.Generator, at: tuple[float, float], angle: float) -> tuple[Record, Line]:
    """Return one small tear or oedema space, too small to leave the tissue area."""
    path = curve(rng, at, angle, rng.uniform(4.0, 26.0), 0.5, 5)
    radii = rng.uniform(2.5, 7.0) * rng.uniform(0.6, 1.1, 5)
    record: Record = {"kind": GAP, "seed": int(rng.integers(1 << 24)), "warp_um": 3.0, "warp_scale_um": 6.0}
    return record, np.column_stack([path, radii])


def vacuole(
    rng: np.random.Generator, at: tuple[float, float], outward: float, wall_um: float
) -> tuple[Record, Line]:
    """Return one goblet-cell mucin drop: a flask, wide towards the lumen, in a wall of ``wall_um``."""
    along = np.array([np.cos(outward), np.sin(outward)])
    radius = rng.uniform(2.3, 3.9)
    up, down = 0.22 * wall_um * rng.uniform(0.6, 1.0), 0.16 * wall_um * rng.uniform(0.5, 1.0)
    ends = np.array([np.array(at) - up * along, at, np.array(at) + down * along])
    record: Record = {
        "kind": GAP,
        "seed": int(rng.integers(1 << 24)),
        "warp_um": 0.8,
        "warp_scale_um": 4.0,
        "fill_h": rng.uniform(0.01, 0.05),
        "fill_s": 0.004,
    }
    return record, np.column_stack([ends, radius * np.array([0.85, 1.0, 0.45])])
