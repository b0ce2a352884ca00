"""One vessel from its pieces: which pixels are wall, which are lumen, and where its border runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from histoquant.objects.bit_rows import unpacked
from histoquant.objects.vessels_glass import Glass, Lumens
from histoquant.objects.vessels_join import Group, box_around
from histoquant.objects.vessels_masks import Rules, find_masks
from histoquant.objects.vessels_nodes import Pieces
from histoquant.objects.vessels_params import VesselParams, pixels
from histoquant.objects.vessels_patch import Patch, copy_label, copy_parts
from histoquant.objects.vessels_shape import Mask, Shape

BRIDGE_PX = 3
"""Width of a bridge across a gap, about the width of a wall at 0.5 um/px."""
EDGE_REACH_UM = 1.5
"""A wall's own peak lies within this distance of its edge; capillary walls are 1 - 3 um wide."""
EDGE_FACTOR = 1.5
"""What a wall of 1 - 2 um, blurred by 0.3 - 0.75 um and its peak read after smoothing, adds to the level of
its edge (simulated profiles: 1.2 - 2); without it the blur of thin walls counts as wall."""
LIGHT_SHARE = 0.7
"""Optical density per unit of DAB in green and blue, where a wall is seen (vector .268 .570 .776)."""
CELL_RADIUS_UM = 3.5
"""Stain in which a disc of this radius fits is a cell body: walls are 1 - 3 um thick, 5 at a nucleus."""
CELL_UM2 = 40.0
"""A cell body that leans on a vessel is at least this large: a disc of 7 um."""


Plane = NDArray[np.int16]


@dataclass(frozen=True)
class Scene:
    """The window a vessel is measured in; planes in thousandths of optical density.

    ``clear`` is the smoothed total, and above every level of glass where there is no image.
    """

    smooth: Plane
    dab: Plane
    hematoxylin: Plane
    total: Plane
    clear: Plane
    glass: tuple[Glass, ...]
    nuclei_yx: NDArray[np.int64] | None
    mpp: float


@dataclass(frozen=True)
class Parts:
    """One vessel: its masks in a crop of its own, and where the crop lies in the window.

    Attributes
    ----------
    outer, lumen : ndarray of uint64, shape (h, words)
        Masks as `bit_rows`, ``width`` pixels wide.
    shape : Shape
        Moments and box of ``outer`` in the crop.
    wall_px, lumen_px, bulk_px, clear_px : int
        Pixels of the wall, of the lumen, of the part of a lumen-free object in which a cell body fits, and
        of the lumen where it is as clear as glass.
    wall_mod : int
        Sum of DAB over the wall as scanned, not smoothed.
    y0, x0 : int
        First pixel of the crop.
    """

    outer: NDArray[np.uint64]
    lumen: NDArray[np.uint64]
    width: int
    shape: Shape
    wall_px: int
    lumen_px: int
    bulk_px: int
    clear_px: int
    wall_mod: int
    y0: int
    x0: int

    def outer_mask(self) -> Mask:
        """Pixels of the object, 0 and 1."""
        return np.asarray(unpacked(self.outer, self.width))

    def lumen_mask(self) -> Mask:
        """Pixels of its lumen, 0 and 1."""
        return np.asarray(unpacked(self.lumen, self.width))


def _patch(scene: Scene, pieces: Pieces, lumens: Lumens, group: Group, pad: int) -> tuple[Patch, int, int]:
    """What is seen of a group in a padded crop, and the corner of the crop; outside the window all is 0."""
    y0, x0, y1, x1 = box_around([group.box, *(tuple(lumens.box[lumen].tolist()) for lumen in group.lumens)])
    corner, shape = (y0 - pad, x0 - pad), (y1 - y0 + 2 * pad, x1 - x0 + 2 * pad)
    planes = np.zeros((5, *shape), np.int16)
    copy_parts((scene.smooth, scene.dab, scene.hematoxylin, scene.total, scene.clear), *corner, planes)
    stained, clear = np.zeros((2, *shape), np.uint8)
    for row in group.members:
        copy_label(pieces.labels, pieces.box[row], row + 1, *corner, stained)
    for lumen in group.lumens:
        copy_label(lumens.labels, lumens.box[lumen], lumen + 1, *corner, clear)
    bridged = stained
    if group.bridges:
        bridged = stained.copy()
        for bridge in group.bridges:
            start, end = ((x - corner[1], y - corner[0]) for y, x in (bridge.start, bridge.end))
            cv2.line(bridged, start, end, 1, BRIDGE_PX)
    return Patch(planes, stained, bridged, clear), *corner


@lru_cache(maxsize=1)
def _edge_levels() -> NDArray[np.int32]:
    """Level at which a wall ends, for each peak, both in thousandths of optical density.

    A lens blurs light, not optical density: at a wall's edge the light is midway between the wall's and
    the lumen's, ``-log10((1 + 10^-kA) / 2) / k`` - half the peak A of a faint wall, a quarter of a dark one.
    """
    peak_od = np.arange(np.iinfo(np.int16).max + 1) / 1000
    midway = -np.log10((1 + 10 ** (-LIGHT_SHARE * peak_od)) / 2) / LIGHT_SHARE
    return np.round(1000 * np.minimum(EDGE_FACTOR * midway, 0.9 * peak_od)).astype(np.int32)


@lru_cache(maxsize=8)
def _rules(params: VesselParams, mpp: float) -> Rules:
    """The rules in pixels and thousandths of optical density."""
    return Rules(
        edge_px=pixels(EDGE_REACH_UM, mpp),
        close_px=pixels(params.close_um / 2, mpp),
        wide_px=pixels(params.wide_close_um / 2, mpp),
        largest_px=round(params.lumen_max_um2 / mpp**2),
        least_px=max(1, round(params.lumen_min_um2 / mpp**2)),
        pale_share=params.lumen_pale_share,
        # whole numbers are below a level where they are below the next whole number
        pale_hematoxylin_mod=math.ceil(params.pale_hematoxylin_od * 1000),
        pale_total_mod=math.ceil(params.pale_total_od * 1000),
        body_px=pixels(CELL_RADIUS_UM, mpp),
        body_edge_px=pixels(1.0, mpp),
        body_um2=CELL_UM2,
        pixel_um2=mpp**2,
    )


def vessel_parts(scene: Scene, pieces: Pieces, lumens: Lumens, group: Group, params: VesselParams) -> Parts:
    """Wall, lumen and outer area of a group of pieces.

    The object is found at the low threshold but measured at a share of its own local peak: otherwise
    a dark wall would be drawn wider than a faint one of the same thickness.

    Parameters
    ----------
    scene : Scene
        Stain planes.
    pieces, lumens, group
        The pieces, the lumens with gaps in their wall, and which of them form the vessel.
    params : VesselParams
        Closing distances, lumen rules.

    Returns
    -------
    Parts
    """
    rules = _rules(params, scene.mpp)
    patch, y0, x0 = _patch(scene, pieces, lumens, group, max(rules.wide_px, rules.edge_px) + 2)
    outer, lumen, counts, moments = find_masks(patch, _edge_levels(), rules)
    wall_px, lumen_px, bulk_px, clear_px, wall_mod = counts.tolist()
    shape = Shape(*moments.tolist())
    width = patch.stained.shape[1]
    return Parts(outer, lumen, width, shape, wall_px, lumen_px, bulk_px, clear_px, wall_mod, y0, x0)
