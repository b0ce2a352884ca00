"""One row of the vessel table: areas, calibre, shape, and whether the object is a vessel at all."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from histoquant.objects.vessels_params import VesselParams
from histoquant.objects.vessels_parts import Parts, Scene, crop
from histoquant.objects.vessels_shape import elongation, outer_contours, perimeter_px, solidity


def is_vessel(row: dict[str, object], params: VesselParams) -> bool:
    """Whether an object is a vessel: it has a lumen, is drawn out, branched, or more than one cell.

    A round, solid, lumen-free object of one cell's size is a macrophage, plasma cell or clump of
    platelets (CD31+ macrophages: AJSP 2001;25:1167), and so is a short clump that is as thick as cells
    are; a solid drawn-out object is a collapsed capillary.
    """

    def number(key: str) -> float:
        return float(row[key])  # type: ignore[arg-type]

    if number("lumen_area_um2") > 0 or number("elongation") >= params.clump_elongation:
        return True
    return number("bulk_share") < params.clump_bulk_share and (
        number("elongation") >= params.cell_elongation
        or number("solidity") < params.cell_solidity
        or number("outer_area_um2") > params.cell_max_um2
    )


def measure_vessel(
    scene: Scene, parts: Parts, origin: tuple[int, int], params: VesselParams
) -> dict[str, object] | None:
    """One row of the vessel table; None for a speck.

    Parameters
    ----------
    scene : Scene
        Stain planes.
    parts : Parts
        Masks of the object.
    origin : tuple of int
        Plane coordinates (y, x) of the window's first pixel, added to every coordinate.
    params : VesselParams
        Rules for specks and cells.

    Returns
    -------
    dict or None
        Columns of `vessels.SCHEMA` except those of the raster order.
    """
    mpp, pixel_um2 = scene.mpp, scene.mpp**2
    wall_px, lumen_px, outer_px = (int(np.count_nonzero(m)) for m in (parts.wall, parts.lumen, parts.outer))
    if outer_px * pixel_um2 < params.min_um2 or wall_px == 0:
        return None
    oy, ox = parts.y0 + origin[0], parts.x0 + origin[1]
    y, x = np.nonzero(parts.outer)
    contours = outer_contours(parts.outer)
    border_px = math.fsum(perimeter_px(c) for c in contours)
    dab = crop(scene.dab, parts.y0, parts.x0, parts.wall.shape)
    shift = np.array([ox, oy], np.int32)
    row: dict[str, object] = {
        "centroid_y_px": (int(y.sum()) + outer_px * oy) / outer_px,
        "centroid_x_px": (int(x.sum()) + outer_px * ox) / outer_px,
        "box_y0_px": int(y.min()) + oy,
        "box_x0_px": int(x.min()) + ox,
        "box_y1_px": int(y.max()) + oy + 1,
        "box_x1_px": int(x.max()) + ox + 1,
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
        "dab_od": int(dab[parts.wall > 0].sum(dtype=np.int64)) / wall_px / 1000,
        "outer_xy_px": (contours[0] + shift).ravel(),
        "lumens_xy_px": [(c + shift).ravel() for c in outer_contours(parts.lumen)],
    }
    row["vessel"] = is_vessel(row, params)
    return row


def _nuclei_inside(nuclei_yx: NDArray[np.int64] | None, parts: Parts) -> int | None:
    """Nuclei whose seed pixel lies in the object; None where nuclei were not given."""
    if nuclei_yx is None:
        return None
    y, x = nuclei_yx[:, 0] - parts.y0, nuclei_yx[:, 1] - parts.x0
    inside = (y >= 0) & (x >= 0) & (y < parts.outer.shape[0]) & (x < parts.outer.shape[1])
    return int(np.count_nonzero(parts.outer[y[inside], x[inside]]))
