"""Vessels, crypts and gaps: curved tubes described by a centre line with a varying half-width."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms._noise import noise
from histoquant.phantoms.bodies import RASTER_UM, SECTION_UM

VESSEL, CRYPT, GAP = 0, 1, 2
CLEARANCE_UM = 14.0  # distances beyond the largest cell body are not needed for placing cells
LAYERS = 4  # slices of the section a slanting wall is integrated over

TUBE = np.dtype(
    [("first", np.int64), ("last", np.int64), ("kind", np.int64), ("seed", np.int64)]
    + [
        (name, np.float64)
        for name in (
            "wall_um",  # thickness of the wall, inside the outline
            "warp_um", "warp_scale_um",  # waviness of the outline
            "slant_x", "slant_y",  # um of sideways shift per um of depth
            "wall_h", "wall_s",  # OD of the wall over the full section thickness
            "fill_h", "fill_s",  # OD of what fills the lumen
            "uneven",  # contrast of the wall's stain along its length; above 1 it is interrupted
            "left", "right", "top", "bottom",  # bounding box, um, with margin
        )
    ]
)  # fmt: skip
"""One tube; its centre line is rows ``first:last`` of a (k, 3) array of x_um, y_um, half_width_um."""


@njit(cache=True, nogil=True)
def outline_distance(tube, nodes: NDArray[np.float64], x: float, y: float) -> float:  # type: ignore[no-untyped-def]
    """Return the signed distance, um, from a point to the tube's outline (negative inside)."""
    best = 1e12
    for k in range(tube.first, tube.last - 1):
        ax, ay, ar = nodes[k, 0], nodes[k, 1], nodes[k, 2]
        bx, by, br = nodes[k + 1, 0] - ax, nodes[k + 1, 1] - ay, nodes[k + 1, 2] - ar
        length2 = bx * bx + by * by
        t = 0.0
        if length2 > 0.0:
            t = min(max(((x - ax) * bx + (y - ay) * by) / length2, 0.0), 1.0)
        ex, ey = x - ax - t * bx, y - ay - t * by
        best = min(best, math.sqrt(ex * ex + ey * ey) - ar - t * br)
    if tube.warp_um > 0.0:
        scale = tube.warp_scale_um
        best += 2.0 * tube.warp_um * (noise(x / scale, y / scale, tube.seed) - 0.5)
    return best


@njit(cache=True, nogil=True)
def coverage(tube, nodes: NDArray[np.float64], x: float, y: float) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Return the shares of the section at a point taken by the tube's wall and by its lumen."""
    wall, lumen = 0.0, 0.0
    layers = LAYERS if tube.slant_x != 0.0 or tube.slant_y != 0.0 else 1
    for layer in range(layers):
        depth = ((layer + 0.5) / layers - 0.5) * SECTION_UM
        d = outline_distance(tube, nodes, x - tube.slant_x * depth, y - tube.slant_y * depth)
        thick = tube.wall_um
        if thick > 0.0 and tube.kind == VESSEL:
            thick *= 0.45 + 1.1 * noise(x / 4.0, y / 4.0, tube.seed + 3)
            d += 0.9 * (noise(x / 2.2, y / 2.2, tube.seed + 4) - 0.5)
        inside = min(max(0.5 - d / RASTER_UM, 0.0), 1.0)
        hollow = min(max(0.5 - (d + thick) / RASTER_UM, 0.0), 1.0)
        wall += inside - hollow
        lumen += hollow
    return wall / layers, lumen / layers


@njit(cache=True, nogil=True)
def basal_point(tube, nodes: NDArray[np.float64], x: float, y: float) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    """Return the depth below the outline and the outline point straight below (x, y), um.

    Noise read at that point is constant along a column of epithelium: it draws cells, not clouds.
    """
    d = outline_distance(tube, nodes, x, y)
    gx = outline_distance(tube, nodes, x + 0.5, y) - d
    gy = outline_distance(tube, nodes, x, y + 0.5) - d
    norm = max(math.sqrt(gx * gx + gy * gy), 1e-6)
    return -d, x - d * gx / norm, y - d * gy / norm


@njit(cache=True, nogil=True)
def _epithelium(tube, nodes: NDArray[np.float64], x: float, y: float) -> tuple[float, float, float, float]:  # type: ignore[no-untyped-def]
    """Return wall share, lumen share, haematoxylin and second-stain OD of crypt epithelium at a point."""
    depth, bx, by = basal_point(tube, nodes, x, y)
    inside = min(max(0.5 + depth / RASTER_UM, 0.0), 1.0)
    if inside <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    column = noise(bx / 2.6, by / 2.6, tube.seed + 21)
    height = tube.wall_um * (0.80 + 0.36 * noise(bx / 6.0, by / 6.0, tube.seed + 22))
    hollow = min(max(0.5 + (depth - height) / RASTER_UM, 0.0), 1.0)
    up = min(depth / height, 1.0)
    fine = 0.8 + 0.4 * noise(x / 1.1, y / 1.1, tube.seed + 9)
    border = math.exp(-0.5 * ((column - 0.5) / 0.05) ** 2)  # lateral membranes
    brush = math.exp(-0.5 * ((depth - height + 0.6) / 0.5) ** 2)
    basement = math.exp(-0.5 * ((depth - 0.4) / 0.5) ** 2)
    tone = (1.15 - 0.55 * up) * (0.75 + 0.5 * column) * fine
    h = tube.wall_h * (tone + 0.35 * border + 0.45 * brush + 0.5 * basement)
    s = tube.wall_s * (0.6 + 0.9 * up) * fine * (1.0 + 0.8 * brush + 0.5 * border)
    return inside - hollow, hollow, h, s


@njit(cache=True, nogil=True)
def draw_tubes(  # type: ignore[no-untyped-def]
    tubes, nodes: NDArray[np.float64], planes: NDArray[np.float32], x0_px: int, y0_px: int
) -> None:
    """Replace the ground by each tube's wall and lumen, in order.

    Parameters
    ----------
    planes : ndarray, shape (3, h, w)
        Ground haematoxylin OD, ground second-stain OD, and the plane that receives vessel-wall second
        stain (kept apart so that it counts as marker, not as background).
    """
    height, width = planes.shape[1], planes.shape[2]
    for t in range(tubes.shape[0]):
        tube = tubes[t]
        left = max(0, math.floor(tube.left / RASTER_UM) - x0_px)
        right = min(width, math.ceil(tube.right / RASTER_UM) + 1 - x0_px)
        top = max(0, math.floor(tube.top / RASTER_UM) - y0_px)
        bottom = min(height, math.ceil(tube.bottom / RASTER_UM) + 1 - y0_px)
        for j in range(top, bottom):
            y = (j + y0_px + 0.5) * RASTER_UM
            for i in range(left, right):
                x = (i + x0_px + 0.5) * RASTER_UM
                if tube.kind == CRYPT:
                    wall, lumen, h, s = _epithelium(tube, nodes, x, y)
                    keep = 1.0 - wall - lumen
                    wisp = 0.4 + 1.2 * noise(x / 6.0, y / 2.5, tube.seed + 23)
                    planes[0, j, i] = keep * planes[0, j, i] + wall * h + lumen * tube.fill_h * wisp
                    planes[1, j, i] = keep * planes[1, j, i] + wall * s + lumen * tube.fill_s
                    continue
                wall, lumen = coverage(tube, nodes, x, y)
                if wall + lumen <= 0.0:
                    continue
                along = 1.0 + tube.uneven * (2.0 * noise(x / 6.0, y / 6.0, tube.seed + 5) - 1.0)
                along = max(along, 0.0)  # above 1, ``uneven`` interrupts the wall
                fine = 0.65 + 0.7 * noise(x / 1.0, y / 1.0, tube.seed + 9)
                keep = 1.0 - wall - lumen
                planes[0, j, i] = keep * planes[0, j, i] + wall * tube.wall_h * fine + lumen * tube.fill_h
                planes[1, j, i] = keep * planes[1, j, i] + lumen * tube.fill_s
                planes[2, j, i] += wall * tube.wall_s * along * fine


@njit(cache=True, nogil=True)
def clear_by(tubes, nodes: NDArray[np.float64], clearance: NDArray[np.float64], step_um: float) -> None:  # type: ignore[no-untyped-def]
    """Lower ``clearance`` (um, on a grid of ``step_um``) to the distance from each tube's outline."""
    height, width = clearance.shape
    for t in range(tubes.shape[0]):
        tube = tubes[t]
        left = max(0, int((tube.left - CLEARANCE_UM) / step_um))
        right = min(width, int((tube.right + CLEARANCE_UM) / step_um) + 2)
        top = max(0, int((tube.top - CLEARANCE_UM) / step_um))
        bottom = min(height, int((tube.bottom + CLEARANCE_UM) / step_um) + 2)
        for j in range(top, bottom):
            for i in range(left, right):
                d = outline_distance(tube, nodes, (i + 0.5) * step_um, (j + 0.5) * step_um)
                clearance[j, i] = min(clearance[j, i], d)


@njit(cache=True, nogil=True)
def points_in_wall(  # type: ignore[no-untyped-def]
    tube, nodes: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], deepest_um: float
) -> NDArray[np.float64]:
    """Keep candidate points at most ``deepest_um`` inside a tube.

    Returns
    -------
    ndarray, shape (n, 4)
        x_um, y_um, depth below the outline (um) and outward direction (radians).
    """
    out = np.empty((x.size, 4))
    n = 0
    for k in range(x.size):
        d = outline_distance(tube, nodes, x[k], y[k])
        if -deepest_um < d < 0.0:
            gx = outline_distance(tube, nodes, x[k] + 0.5, y[k]) - d
            gy = outline_distance(tube, nodes, x[k], y[k] + 0.5) - d
            out[n, 0], out[n, 1], out[n, 2], out[n, 3] = x[k], y[k], -d, math.atan2(gy, gx)
            n += 1
    return out[:n]


@njit(cache=True, nogil=True)
def measure_tubes(tubes, nodes: NDArray[np.float64]) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """Return per tube x_um, y_um (outline centroid), lumen area and wall area, um2; shape (n, 4).

    Shares of wall and lumen are summed on the raster that is drawn, so a slanting wall counts as wide as
    it looks.
    """
    out = np.zeros((tubes.shape[0], 4))
    for t in range(tubes.shape[0]):
        tube = tubes[t]
        mass, mx, my = 0.0, 0.0, 0.0
        for j in range(math.floor(tube.top / RASTER_UM), math.ceil(tube.bottom / RASTER_UM)):
            y = (j + 0.5) * RASTER_UM
            for i in range(math.floor(tube.left / RASTER_UM), math.ceil(tube.right / RASTER_UM)):
                x = (i + 0.5) * RASTER_UM
                wall, lumen = coverage(tube, nodes, x, y)
                out[t, 2] += lumen
                out[t, 3] += wall
                both = wall + lumen
                mass += both
                mx += both * x
                my += both * y
        if mass > 0.0:
            out[t, 0], out[t, 1] = mx / mass, my / mass
        out[t, 2] *= RASTER_UM * RASTER_UM
        out[t, 3] *= RASTER_UM * RASTER_UM
    return out


def make_tubes(
    records: list[dict[str, float]], lines: list[NDArray[np.float64]]
) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Pack tube settings and centre lines into a `TUBE` array and one node array.

    Parameters
    ----------
    records : list of dict
        Field values of `TUBE`; missing fields are 0.
    lines : list of ndarray, shape (k, 3)
        Centre line of each tube, um.
    """
    tubes = np.zeros(len(records), TUBE)
    first = 0
    for tube, record, line in zip(tubes, records, lines, strict=True):
        for name, value in record.items():
            tube[name] = value
        tube["first"], tube["last"] = first, first + len(line)
        first += len(line)
        slant = 0.5 * SECTION_UM * max(abs(float(tube["slant_x"])), abs(float(tube["slant_y"])))
        margin = float(line[:, 2].max()) + float(tube["warp_um"]) + slant + 2.0
        tube["left"], tube["right"] = line[:, 0].min() - margin, line[:, 0].max() + margin
        tube["top"], tube["bottom"] = line[:, 1].min() - margin, line[:, 1].max() + margin
    nodes = np.concatenate(lines) if lines else np.zeros((0, 3))
    return tubes, nodes
