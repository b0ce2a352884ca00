"""One vessel from its pieces: wall, lumen, outer border, shape, and whether it is a vessel at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoquant.objects.vessels_join import Group
from histoquant.objects.vessels_nodes import Pieces
from histoquant.objects.vessels_params import VesselParams, pixels
from histoquant.objects.vessels_shape import (
    Mask,
    close,
    disc,
    elongation,
    holes,
    outer_contours,
    perimeter_px,
    solidity,
)

BRIDGE_PX = 3
"""Width of a bridge across a gap, about the width of a wall at 0.5 um/px."""
EDGE_REACH_UM = 1.5
"""A wall's own peak lies within this distance of its edge; capillary walls are 1 - 3 um wide."""
EDGE_PERCENT = 55
"""A wall ends where stain falls to half its peak; the smoothing that the peak is read from lowers it
by about a tenth for a wall of 1.5 um."""
FRINGE_STEPS = 2
"""Blur is at most this many pixels wide on either side of a wall."""


Plane = NDArray[np.int16]


@dataclass(frozen=True)
class Scene:
    """The window a vessel is measured in; stain planes in thousandths of optical density."""

    smooth: Plane
    dab: Plane
    hematoxylin: Plane
    total: Plane
    nuclei_yx: NDArray[np.int64] | None
    mpp: float


@dataclass(frozen=True)
class Parts:
    """Masks of one vessel in its own crop, and where the crop lies in the window."""

    wall: Mask
    lumen: Mask
    outer: Mask
    y0: int
    x0: int


def _crop(plane: Plane, y0: int, x0: int, shape: tuple[int, ...]) -> Plane:
    """Part of a plane that may reach beyond it; outside is 0."""
    out = np.zeros(shape, plane.dtype)
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y0 + shape[0], plane.shape[0]), min(x0 + shape[1], plane.shape[1])
    out[top - y0 : bottom - y0, left - x0 : right - x0] = plane[top:bottom, left:right]
    return out


def _stain(pieces: Pieces, group: Group, pad: int) -> tuple[Mask, Mask, int, int]:
    """Stained pixels and bridges of a group in a padded crop, with the crop's corner."""
    boxes = pieces.box[list(group.members)]
    y0, x0 = (int(v) - pad for v in boxes[:, :2].min(axis=0))
    y1, x1 = (int(v) + pad for v in boxes[:, 2:].max(axis=0))
    wall = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for row in group.members:
        t, left, b, r = (int(v) for v in pieces.box[row])
        wall[t - y0 : b - y0, left - x0 : r - x0] |= pieces.labels[t:b, left:r] == row + 1
    bridged = wall.copy()
    for bridge in group.bridges:
        ends = [(x - x0, y - y0) for y, x in (bridge.start, bridge.end)]
        cv2.line(bridged, ends[0], ends[1], 1, BRIDGE_PX)
    return wall, bridged, y0, x0


def _enclosed(layers: tuple[Mask, ...], largest_px: int) -> Mask:
    """Holes of any of the layers that are not larger than a lumen."""
    enclosed = np.zeros_like(layers[0])
    for layer in layers:
        labels = holes(layer)
        keep = np.bincount(labels.ravel()) <= largest_px
        keep[0] = False
        enclosed |= keep[labels].astype(np.uint8)
    return enclosed


def _lumens(enclosed: Mask, pale: Mask, limits_px: tuple[int, float]) -> Mask:
    """Enclosed regions that are large enough and mostly pale."""
    least_px, share = limits_px
    count, labels = cv2.connectedComponents(enclosed, connectivity=4, ltype=cv2.CV_32S)
    area = np.bincount(labels.ravel(), minlength=count)
    bright = np.bincount(labels.ravel(), weights=pale.ravel(), minlength=count)
    keep = (area >= least_px) & (bright >= share * area)
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)


def _fringe(stained: Mask, smooth: Plane, dab: Plane, radius_px: int) -> Mask:
    """Stained pixels too weak beside their own wall's peak: blur of the wall, not wall."""
    peak = cv2.dilate(np.where(stained > 0, smooth, 0).astype(np.int16), disc(radius_px))
    weak = dab.astype(np.int32) * 100 < peak.astype(np.int32) * EDGE_PERCENT
    return np.asarray((stained > 0) & weak, np.uint8)


def _grow(seed: Mask, into: Mask, steps: int) -> Mask:
    """Pixels of ``into`` that 4-connected growth from ``seed`` reaches in so many steps."""
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    grown = seed.copy()
    for _ in range(steps):
        grown |= cv2.dilate(grown, cross) & into
    return np.asarray(grown & into, np.uint8)


def _close_and_fill(
    bridged: Mask, solid: Mask, pale: Mask, params: VesselParams, mpp: float
) -> tuple[Mask, Mask]:
    """Object with gaps closed and enclosed areas filled, and its lumens.

    Lumens are sought in the wall as it is, in the wall without its blurred fringe (a narrow slit), and
    in the wall with its gaps closed; wide gaps are closed only if that is what encloses a lumen.
    """
    largest_px = round(params.lumen_max_um2 / mpp**2)
    least_px = max(1, round(params.lumen_min_um2 / mpp**2))
    result = None
    for gap_um in (params.close_um, params.wide_close_um):
        closed = close(bridged, pixels(gap_um / 2, mpp))
        enclosed = _enclosed((bridged, solid, closed), largest_px)
        lumen = _lumens(enclosed & (1 - solid), pale, (least_px, params.lumen_pale_share))
        if result is None or lumen.any():
            result = closed | enclosed, lumen
        if lumen.any():
            break
    assert result is not None
    return result


def vessel_parts(scene: Scene, pieces: Pieces, group: Group, params: VesselParams) -> Parts:
    """Wall, lumen and outer area of a group of pieces.

    The object is found at the low threshold but measured at a share of its own local peak: otherwise
    a dark wall would be drawn wider than a faint one of the same thickness.

    Parameters
    ----------
    scene : Scene
        Stain planes.
    pieces, group
        The pieces and which of them form the vessel.
    params : VesselParams
        Closing distances, lumen rules.

    Returns
    -------
    Parts
    """
    pad = pixels(params.wide_close_um / 2, scene.mpp) + 2
    stained, bridged, y0, x0 = _stain(pieces, group, pad)
    smooth, dab, hematoxylin, total = (
        _crop(plane, y0, x0, stained.shape)
        for plane in (scene.smooth, scene.dab, scene.hematoxylin, scene.total)
    )
    fringe = _fringe(stained, smooth, dab, pixels(EDGE_REACH_UM, scene.mpp))
    pale = (hematoxylin < params.pale_hematoxylin_od * 1000) & (total < params.pale_total_od * 1000)
    solid = bridged & (1 - fringe)
    filled, lumen = _close_and_fill(bridged, solid, pale.astype(np.uint8), params, scene.mpp)
    lumen = lumen | _grow(lumen, fringe, FRINGE_STEPS)
    outside = _grow(1 - filled, fringe & (1 - lumen), FRINGE_STEPS)
    return Parts(stained & (1 - (lumen | outside)), lumen, filled & (1 - outside), y0, x0)


def is_vessel(row: dict[str, object], params: VesselParams) -> bool:
    """Whether an object is a vessel: it has a lumen, is drawn out, branched, or more than one cell.

    A round, solid, lumen-free object of one cell's size is a macrophage, plasma cell or clump of
    platelets (CD31+ macrophages: AJSP 2001;25:1167); a solid drawn-out one is a collapsed capillary.
    """

    def number(key: str) -> float:
        return float(row[key])  # type: ignore[arg-type]

    return (
        number("lumen_area_um2") > 0
        or number("elongation") >= params.cell_elongation
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
    dab = _crop(scene.dab, parts.y0, parts.x0, parts.wall.shape)
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
