"""One row of the vessel table: areas, calibre, shape, and whether the object is a vessel at all."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoquant.objects.vessels_params import VesselParams
from histoquant.objects.vessels_parts import Parts, Scene, crop
from histoquant.objects.vessels_shape import elongation, outer_contours, perimeter_px, solidity

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
    if parts.lumen.any():
        return not _is_cell_with_pale_nucleus(parts, mpp, params)
    if wall_od < params.wall_mean_share * params.threshold_od:
        return False
    drawn_out = elongation(parts.outer)
    if drawn_out >= params.clump_elongation:
        return True
    outer_px = np.count_nonzero(parts.outer)
    if np.count_nonzero(parts.bulk) >= params.clump_bulk_share * outer_px:
        return False
    return bool(
        drawn_out >= params.cell_elongation
        or outer_px * mpp**2 > params.cell_max_um2
        or solidity(parts.outer) < params.cell_solidity
    )


def _is_cell_with_pale_nucleus(parts: Parts, mpp: float, params: VesselParams) -> bool:
    """Whether what a thick ring of stain encloses is a cleared nucleus: it holds matter, a lumen is clear."""
    lumen_px, wall_px = int(np.count_nonzero(parts.lumen)), int(np.count_nonzero(parts.wall))
    if parts.clear_px >= CLEAR_SHARE * lumen_px:
        return False
    if (lumen_px + wall_px) * mpp**2 > 2 * params.cell_max_um2:
        return False
    around_px = sum(
        math.fsum(perimeter_px(c) for c in outer_contours(mask)) for mask in (parts.outer, parts.lumen)
    )
    return bool(
        2 * wall_px * mpp >= params.cell_wall_um * around_px
        and elongation(parts.outer) < params.cell_elongation
    )


def wall_mean_od(scene: Scene, parts: Parts) -> float:
    """Mean DAB of the wall as scanned, not smoothed."""
    dab = crop(scene.dab, parts.y0, parts.x0, parts.wall.shape)
    return int(dab[parts.wall > 0].sum(dtype=np.int64)) / int(np.count_nonzero(parts.wall)) / 1000


def is_speck(parts: Parts, mpp: float, params: VesselParams) -> bool:
    """Whether an object is too small to be anything."""
    return bool(np.count_nonzero(parts.outer) * mpp**2 < params.min_um2 or not parts.wall.any())


def place(parts: Parts, origin: tuple[int, int]) -> dict[str, object]:
    """Centroid and box in plane coordinates; ``origin`` (y, x) is the window's first pixel."""
    oy, ox = parts.y0 + origin[0], parts.x0 + origin[1]
    y, x = np.nonzero(parts.outer)
    return {
        # one division of whole numbers, so that no window's origin enters the rounding
        "centroid_y_px": (int(y.sum()) + len(y) * oy) / len(y),
        "centroid_x_px": (int(x.sum()) + len(x) * ox) / len(x),
        "box_y0_px": int(y.min()) + oy,
        "box_x0_px": int(x.min()) + ox,
        "box_y1_px": int(y.max()) + oy + 1,
        "box_x1_px": int(x.max()) + ox + 1,
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
    wall_px, lumen_px, outer_px = (int(np.count_nonzero(m)) for m in (parts.wall, parts.lumen, parts.outer))
    contours = outer_contours(parts.outer)
    border_px = math.fsum(perimeter_px(c) for c in contours)
    shift = np.array([parts.x0 + origin[1], parts.y0 + origin[0]], np.int32)
    return {
        "endothelial_area_um2": wall_px * pixel_um2,
        "lumen_area_um2": lumen_px * pixel_um2,
        "outer_area_um2": outer_px * pixel_um2,
        "equivalent_diameter_um": 2 * math.sqrt(outer_px * pixel_um2 / math.pi),
        "perimeter_um": border_px * mpp,
        "roundness": 4 * math.pi * outer_px / border_px**2,
        "elongation": elongation(parts.outer),
        "solidity": solidity(parts.outer),
        "bulk_share": int(np.count_nonzero(parts.bulk)) / outer_px,
        "nuclei": _nuclei_inside(scene.nuclei_yx, parts),
        "dab_od": wall_mean_od(scene, parts),
        "outer_xy_px": (contours[0] + shift).ravel(),
        "lumens_xy_px": [(c + shift).ravel() for c in outer_contours(parts.lumen)],
    }


def _nuclei_inside(nuclei_yx: NDArray[np.int64] | None, parts: Parts) -> int | None:
    """Nuclei whose seed pixel lies in the object; None where nuclei were not given."""
    if nuclei_yx is None:
        return None
    y, x = nuclei_yx[:, 0] - parts.y0, nuclei_yx[:, 1] - parts.x0
    inside = (y >= 0) & (x >= 0) & (y < parts.outer.shape[0]) & (x < parts.outer.shape[1])
    return int(np.count_nonzero(parts.outer[y[inside], x[inside]]))
