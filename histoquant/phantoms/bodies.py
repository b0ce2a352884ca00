"""Three-dimensional cell bodies and the exact light path of each through a section.

A body is a rotated, tilted, bent ellipsoid with a wavy outline. Its stain amount at a point of the
section is concentration x chord length inside the slab 0 <= z <= `SECTION_UM`, so a nucleus cut near its
pole is smaller, paler and softer than one cut through its middle, as under the microscope.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms._noise import noise, smoothstep

SECTION_UM = 4.0  # usual paraffin section thickness for IHC
RASTER_UM = 0.25  # spacing of the stain raster; optical resolution at NA 0.75 is about 0.4 um
MIN_CHORD_UM = 0.35  # thinner tissue than this adds under 0.1 OD of haematoxylin: outside the drawn profile

GRANULE, NUCLEOLUS, NUCLEUS, SOMA = 3, 2, 1, 0

BODY = np.dtype(
    [
        (name, np.float64)
        for name in (
            "x", "y", "z",  # centre, um; the section is 0..SECTION_UM
            "cos", "sin",  # in-plane rotation
            "uu", "uz", "zz", "vv",  # quadratic form, 1/um2, in the rotated frame (long axis may dip)
            "bend",  # 1/um, banana curvature
            "e3", "p3", "e4", "p4", "e5", "p5",  # outline waves: amplitude and phase
            "notch", "notch_at",  # kidney indentation: depth and direction
            "ruffle",  # um, ragged outline
            "reach",  # um, half side of the box that holds the body
            "inner",  # scale of the inner surface: the shell between is membrane or rim chromatin
            "core_h", "core_s", "shell_h", "shell_s",  # OD per um of path: haematoxylin, second stain
            "grain_h", "grain_h_um", "grain_s", "grain_s_um",  # texture contrast 0..1 and grain size
            "patch",  # uneven second stain around the cell, 0..1
            "occupancy",  # share of ground substance this body displaces
        )
    ]
    + [(name, np.int64) for name in ("seed", "hole", "cell", "part")]
)  # fmt: skip
"""One body. ``hole`` is the index of the body cut out of this one (-1: none), ``cell`` its owner."""


def empty_bodies(count: int) -> NDArray[np.void]:
    """Return ``count`` bodies with neutral values (no stain, no waves, no hole)."""
    bodies = np.zeros(count, BODY)
    bodies["cos"] = 1.0
    bodies["inner"] = 1.0
    bodies["grain_h_um"] = bodies["grain_s_um"] = 1.0
    bodies["hole"] = -1
    return bodies


def shape_bodies(
    bodies: NDArray[np.void],
    long_um: NDArray[np.float64],
    short_um: NDArray[np.float64],
    deep_um: NDArray[np.float64],
    angle: NDArray[np.float64],
    dip: NDArray[np.float64],
) -> None:
    """Set the ellipsoid of each body in place.

    Parameters
    ----------
    long_um, short_um, deep_um : ndarray
        Semi-axes along the body, across it in the plane, and through the section.
    angle, dip : ndarray
        Direction of the long axis in the plane, and its angle out of the plane, radians.
    """
    c, s = np.cos(dip), np.sin(dip)
    bodies["cos"], bodies["sin"] = np.cos(angle), np.sin(angle)
    bodies["uu"] = (c / long_um) ** 2 + (s / deep_um) ** 2
    bodies["zz"] = (s / long_um) ** 2 + (c / deep_um) ** 2
    bodies["uz"] = c * s * (1.0 / long_um**2 - 1.0 / deep_um**2)
    bodies["vv"] = 1.0 / short_um**2
    longest = np.maximum(np.maximum(long_um, short_um), deep_um * np.abs(s))
    bodies["reach"] = 1.35 * longest + bodies["ruffle"] + 1.0


@njit(cache=True, nogil=True)
def _local(b, x: float, y: float) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return (u, v), um, of a point in the body's straightened frame."""
    dx, dy = x - b.x, y - b.y
    if b.ruffle > 0.0:
        dx += 2.0 * b.ruffle * (noise(x / 2.1, y / 2.1, b.seed + 11) - 0.5)
        dy += 2.0 * b.ruffle * (noise(x / 2.1, y / 2.1, b.seed + 12) - 0.5)
    u = dx * b.cos + dy * b.sin
    v = dy * b.cos - dx * b.sin
    v -= b.bend * u * u
    if b.e3 == 0.0 and b.notch == 0.0:
        return u, v
    c1, s1 = u * math.sqrt(b.uu), v * math.sqrt(b.vv)
    radius = math.sqrt(c1 * c1 + s1 * s1)
    if radius < 1e-9:
        return u, v
    c1, s1 = c1 / radius, s1 / radius
    c2, s2 = c1 * c1 - s1 * s1, 2.0 * c1 * s1
    c3, s3 = c1 * c2 - s1 * s2, s1 * c2 + c1 * s2
    c4, s4 = c2 * c2 - s2 * s2, 2.0 * c2 * s2
    c5, s5 = c1 * c4 - s1 * s4, s1 * c4 + c1 * s4
    g = 1.0
    g += b.e3 * (c3 * math.cos(b.p3) + s3 * math.sin(b.p3))
    g += b.e4 * (c4 * math.cos(b.p4) + s4 * math.sin(b.p4))
    g += b.e5 * (c5 * math.cos(b.p5) + s5 * math.sin(b.p5))
    w = c1 * math.cos(b.notch_at) + s1 * math.sin(b.notch_at)
    if w > 0.0 and b.notch > 0.0:
        g -= b.notch * w * w * w * w
    return u / g, v / g


@njit(cache=True, nogil=True)
def _span(b, u: float, v: float, scale: float) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return the z interval, um, where the column at (u, v) is inside the scaled body and the section."""
    half = b.uz * u
    rest = b.uu * u * u + b.vv * v * v - scale * scale
    disc = half * half - b.zz * rest
    if disc <= 0.0:
        return 0.0, 0.0
    root = math.sqrt(disc)
    low = max(b.z + (-half - root) / b.zz, 0.0)
    high = min(b.z + (-half + root) / b.zz, SECTION_UM)
    if high <= low:
        return 0.0, 0.0
    return low, high


@njit(cache=True, nogil=True)
def _texture(x: float, y: float, grain_um: float, seed: int) -> float:
    """Return clumped texture with mean about 0, range -1..1."""
    n = 0.65 * noise(x / grain_um, y / grain_um, seed) + 0.35 * noise(
        2.1 * x / grain_um + 5.0, 2.1 * y / grain_um, seed + 7
    )
    return float(2.0 * smoothstep(0.25, 0.75, n) - 1.0)


@njit(cache=True, nogil=True)
def _core_and_shell(  # type: ignore[no-untyped-def]
    bodies, k: int, x: float, y: float, at: tuple[float, float, float, float]
) -> tuple[float, float]:
    """Return the path, um, through a body's core (its hole left out) and through its shell.

    ``at`` is u, v in the body's frame and the z interval inside it.
    """
    b = bodies[k]
    u, v, low, high = at
    inner_low, inner_high = _span(b, u, v, b.inner)
    core = inner_high - inner_low
    shell = high - low - core
    if b.hole >= 0:
        n = bodies[b.hole]
        nu, nv = _local(n, x, y)
        hole_low, hole_high = _span(n, nu, nv, 1.0)
        core -= max(0.0, min(inner_high, hole_high) - max(inner_low, hole_low))
        core = max(core, 0.0)
    return core, shell


@njit(cache=True, nogil=True)
def _stain(bodies, k: int, x: float, y: float) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    """Return (haematoxylin OD, second-stain OD, displaced share) of one body at one point."""
    b = bodies[k]
    u, v = _local(b, x, y)
    low, high = _span(b, u, v, 1.0)
    outer = high - low
    if outer <= 0.0:
        return 0.0, 0.0, 0.0
    core, shell = _core_and_shell(bodies, k, x, y, (u, v, low, high))
    # texture lives in the body's own frame, or all cells would share the lattice's axes
    tx = (x - b.x) * b.cos + (y - b.y) * b.sin
    ty = (y - b.y) * b.cos - (x - b.x) * b.sin
    h = b.core_h * core + b.shell_h * shell
    if b.grain_h > 0.0:
        h *= 1.0 + b.grain_h * _texture(tx, ty, b.grain_h_um, b.seed)
    s = b.core_s * core + b.shell_s * shell
    if s > 0.0:
        if b.grain_s > 0.0:
            s *= 1.0 + b.grain_s * _texture(tx, ty, b.grain_s_um, b.seed + 31)
        if b.patch > 0.0:
            s *= 1.0 + b.patch * _texture(tx, ty, 4.5, b.seed + 47)
    return h, s, min(1.0, outer / (0.5 * SECTION_UM)) * b.occupancy


@njit(cache=True, nogil=True)
def draw_bodies(  # type: ignore[no-untyped-def]
    bodies,
    chosen: NDArray[np.int64],
    planes: NDArray[np.float32],
    x0_px: int,
    y0_px: int,
) -> None:
    """Add the chosen bodies to ``planes`` (3, h, w): haematoxylin OD, second-stain OD, displaced share.

    ``x0_px, y0_px`` is the raster position of the window's corner; a point's value does not depend on
    the window it is drawn in.
    """
    height, width = planes.shape[1], planes.shape[2]
    for k in chosen:
        b = bodies[k]
        left = max(0, math.floor((b.x - b.reach) / RASTER_UM) - x0_px)
        right = min(width, math.ceil((b.x + b.reach) / RASTER_UM) + 1 - x0_px)
        top = max(0, math.floor((b.y - b.reach) / RASTER_UM) - y0_px)
        bottom = min(height, math.ceil((b.y + b.reach) / RASTER_UM) + 1 - y0_px)
        for j in range(top, bottom):
            y = (j + y0_px + 0.5) * RASTER_UM
            for i in range(left, right):
                x = (i + x0_px + 0.5) * RASTER_UM
                h, s, o = _stain(bodies, k, x, y)
                planes[0, j, i] += h
                planes[1, j, i] += s
                planes[2, j, i] += o


@njit(cache=True, nogil=True)
def mean_stain(bodies, groups: NDArray[np.int64]) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """Return the mean stain each group of bodies shows, texture left out; shape (n, 2).

    Haematoxylin and second-stain OD are averaged over the points where some body's path exceeds
    `MIN_CHORD_UM`; 0 where there is none. What a body's ``hole`` displaces is not counted.
    """
    out = np.zeros((groups.shape[0], 2))
    for g in range(groups.shape[0]):
        first, last = groups[g, 0], groups[g, 1]
        left, right, top, bottom = _box(bodies, first, last)
        count = 0
        for j in range(top, bottom):
            y = (j + 0.5) * RASTER_UM
            for i in range(left, right):
                x = (i + 0.5) * RASTER_UM
                path, h, s = 0.0, 0.0, 0.0
                for k in range(first, last):
                    b = bodies[k]
                    u, v = _local(b, x, y)
                    low, high = _span(b, u, v, 1.0)
                    if high <= low:
                        continue
                    path = max(path, high - low)
                    core, shell = _core_and_shell(bodies, k, x, y, (u, v, low, high))
                    h += b.core_h * core + b.shell_h * shell
                    s += b.core_s * core + b.shell_s * shell
                if path > MIN_CHORD_UM:
                    count += 1
                    out[g, 0] += h
                    out[g, 1] += s
        if count > 0:
            out[g, 0] /= count
            out[g, 1] /= count
    return out


@njit(cache=True, nogil=True)
def _box(bodies, first: int, last: int) -> tuple[int, int, int, int]:  # type: ignore[no-untyped-def]
    """Return left, right, top, bottom on the raster that hold a group of bodies."""
    left, right, top, bottom = 1e12, -1e12, 1e12, -1e12
    for k in range(first, last):
        b = bodies[k]
        left, right = min(left, b.x - b.reach), max(right, b.x + b.reach)
        top, bottom = min(top, b.y - b.reach), max(bottom, b.y + b.reach)
    return (
        math.floor(left / RASTER_UM),
        math.ceil(right / RASTER_UM) + 1,
        math.floor(top / RASTER_UM),
        math.ceil(bottom / RASTER_UM) + 1,
    )


@njit(cache=True, nogil=True)
def profiles(bodies, groups: NDArray[np.int64]) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """Measure what the section shows of each group of bodies.

    Parameters
    ----------
    bodies : ndarray of `BODY`
    groups : ndarray, shape (n, 2)
        First and last + 1 body index of each group (the lobes of one nucleus).

    Returns
    -------
    ndarray, shape (n, 4)
        x_um, y_um of the profile's centre of mass, area_um2 (where the path exceeds `MIN_CHORD_UM`),
        and the longest path, um. Area 0 keeps the position of the first body.
    """
    out = np.zeros((groups.shape[0], 4))
    for g in range(groups.shape[0]):
        first, last = groups[g, 0], groups[g, 1]
        left, right, top, bottom = _box(bodies, first, last)
        count, mass, mx, my, longest = 0, 0.0, 0.0, 0.0, 0.0
        for j in range(top, bottom):
            y = (j + 0.5) * RASTER_UM
            for i in range(left, right):
                x = (i + 0.5) * RASTER_UM
                path = 0.0
                for k in range(first, last):
                    u, v = _local(bodies[k], x, y)
                    low, high = _span(bodies[k], u, v, 1.0)
                    path = max(path, high - low)
                if path > MIN_CHORD_UM:
                    count += 1
                    mass += path
                    mx += path * x
                    my += path * y
                    longest = max(longest, path)
        out[g, 0], out[g, 1] = bodies[first].x, bodies[first].y
        if count > 0:
            out[g, 0], out[g, 1] = mx / mass, my / mass
        out[g, 2], out[g, 3] = count * RASTER_UM * RASTER_UM, longest
    return out
