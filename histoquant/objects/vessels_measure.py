"""One row of the vessel table: areas, calibre, shape, and whether the object is a vessel at all."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoquant.objects.vessels_params import VesselParams
from histoquant.objects.vessels_parts import Parts, Scene
from histoquant.objects.vessels_shape import Mask, elongation, outer_contours, perimeter_px, solidity

CLEAR_SHARE = 0.5
"""A lumen of which half is as clear as glass is no nucleus, however pale its chromatin."""


def is_vessel(parts: Parts, mpp: float, params: VesselParams, wall_od: float) -> bool:
    """Whether an object is a vessel: it has a lumen, is drawn out, branched, or more than one cell.

    A round, solid, lumen-free object of one cell's size is a macrophage, plasma cell or clump of
    platelets (CD31+ macrophages: AJSP 2001;25:1167), and so is a short clump that is as thick as cells
    are; a solid drawn-out object is a collapsed capillary.

    Parameters
    ----------
    parts : Parts
        Masks of the object.
    mpp : float
        Micrometres per pixel.
    params : VesselParams
        Rules for cells and clumps.
    wall_od : float
        Mean DAB of the wall, from `wall_mean_od`.
    """
    if parts.lumen_px:
        return not _is_cell_with_pale_nucleus(parts, mpp, params)
    if wall_od < params.wall_mean_share * params.threshold_od:
        return False
    drawn_out = elongation(parts.shape)
    if drawn_out >= params.clump_elongation:
        return True
    outer_px = parts.shape.pixels
    if parts.bulk_px >= params.clump_bulk_share * outer_px:
        return False
    return bool(
        drawn_out >= params.cell_elongation
        or outer_px * mpp**2 > params.cell_max_um2
        or solidity(parts.outer_mask()) < params.cell_solidity
    )


def _is_cell_with_pale_nucleus(parts: Parts, mpp: float, params: VesselParams) -> bool:
    """Whether what a thick ring of stain encloses is a cleared nucleus: it holds matter, a lumen is clear."""
    lumen_px, wall_px = parts.lumen_px, parts.wall_px
    if parts.clear_px >= CLEAR_SHARE * lumen_px:
        return False
    if (lumen_px + wall_px) * mpp**2 > 2 * params.cell_max_um2:
        return False
    if elongation(parts.shape) >= params.cell_elongation:
        return False
    around_px = sum(
        math.fsum(perimeter_px(c) for c in outer_contours(mask))
        for mask in (parts.outer_mask(), parts.lumen_mask())
    )
    return bool(2 * wall_px * mpp >= params.cell_wall_um * around_px)


def wall_mean_od(parts: Parts) -> float:
    """Mean DAB of the wall as scanned, not smoothed."""
    return parts.wall_mod / parts.wall_px / 1000


def is_speck(parts: Parts, mpp: float, params: VesselParams) -> bool:
    """Whether an object is too small to be anything."""
    return parts.shape.pixels * mpp**2 < params.min_um2 or not parts.wall_px


def place(parts: Parts, origin: tuple[int, int]) -> dict[str, object]:
    """Centroid and box in plane coordinates; ``origin`` (y, x) is the window's first pixel."""
    oy, ox = parts.y0 + origin[0], parts.x0 + origin[1]
    shape, n = parts.shape, parts.shape.pixels
    return {
        # one division of whole numbers, so that no window's origin enters the rounding
        "centroid_y_px": (shape.sum_y + n * oy) / n,
        "centroid_x_px": (shape.sum_x + n * ox) / n,
        "box_y0_px": shape.y0 + oy,
        "box_x0_px": shape.x0 + ox,
        "box_y1_px": shape.y1 + oy,
        "box_x1_px": shape.x1 + ox,
    }


def measure(scene: Scene, parts: Parts, origin: tuple[int, int]) -> dict[str, object]:
    """Areas, shape, stain and outlines of an object that is not a speck.

    Parameters
    ----------
    scene : Scene
        Stain planes.
    parts : Parts
        Masks of the object.
    origin : tuple of int
        Plane coordinates (y, x) of the window's first pixel, added to the outlines.

    Returns
    -------
    dict
        Columns of `vessels.SCHEMA` except its place and class.
    """
    mpp, pixel_um2 = scene.mpp, scene.mpp**2
    outer_px, outer = parts.shape.pixels, parts.outer_mask()
    contours = outer_contours(outer)
    border_px = math.fsum(perimeter_px(c) for c in contours)
    shift = np.array([parts.x0 + origin[1], parts.y0 + origin[0]], np.int32)
    return {
        "endothelial_area_um2": parts.wall_px * pixel_um2,
        "lumen_area_um2": parts.lumen_px * pixel_um2,
        "outer_area_um2": outer_px * pixel_um2,
        "equivalent_diameter_um": 2 * math.sqrt(outer_px * pixel_um2 / math.pi),
        "perimeter_um": border_px * mpp,
        "roundness": 4 * math.pi * outer_px / border_px**2,
        "elongation": elongation(parts.shape),
        "solidity": solidity(outer),
        "bulk_share": parts.bulk_px / outer_px,
        "nuclei": _nuclei_inside(scene.nuclei_yx, parts, outer),
        "dab_od": wall_mean_od(parts),
        "outer_xy_px": (contours[0] + shift).ravel(),
        "lumens_xy_px": [(c + shift).ravel() for c in outer_contours(parts.lumen_mask())],
    }


def _nuclei_inside(nuclei_yx: NDArray[np.int64] | None, parts: Parts, outer: Mask) -> int | None:
    """Nuclei whose seed pixel lies in the object; None where nuclei were not given."""
    if nuclei_yx is None:
        return None
    y, x = nuclei_yx[:, 0] - parts.y0, nuclei_yx[:, 1] - parts.x0
    inside = (y >= 0) & (x >= 0) & (y < outer.shape[0]) & (x < outer.shape[1])
    return int(np.count_nonzero(outer[y[inside], x[inside]]))
