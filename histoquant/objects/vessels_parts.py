"""One vessel from its pieces: which pixels are wall, which are lumen, and where its border runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from histoquant.objects.vessels_glass import LEVELS_MOD, Glass, Lumens
from histoquant.objects.vessels_join import Group
from histoquant.objects.vessels_nodes import Pieces
from histoquant.objects.vessels_params import SMOOTHING_RADIUS_PX, VesselParams, pixels
from histoquant.objects.vessels_shape import Mask, close, disc, holes

BRIDGE_PX = 3
"""Width of a bridge across a gap, about the width of a wall at 0.5 um/px."""
EDGE_REACH_UM = 1.5
"""A wall's own peak lies within this distance of its edge; capillary walls are 1 - 3 um wide."""
EDGE_FACTOR = 1.5
"""What a wall of 1 - 2 um, blurred by 0.3 - 0.75 um and its peak read after smoothing, adds to the level of
its edge (simulated profiles: 1.2 - 2); without it the blur of thin walls counts as wall."""
LIGHT_SHARE = 0.7
"""Optical density per unit of DAB in green and blue, where a wall is seen (vector .268 .570 .776)."""
FRINGE_STEPS = 3
"""Blur is at most this many pixels wide on either side of a wall."""
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
    """Masks of one vessel in its own crop, and where the crop lies in the window.

    ``bulk`` is the part of a lumen-free object in which a cell body fits; ``clear_px`` are the lumen's
    pixels as clear as glass.
    """

    wall: Mask
    lumen: Mask
    outer: Mask
    bulk: Mask
    clear_px: int
    y0: int
    x0: int


def crop(plane: Plane, y0: int, x0: int, shape: tuple[int, ...]) -> Plane:
    """Part of a plane that may reach beyond it; outside is 0."""
    out = np.zeros(shape, plane.dtype)
    top, left = max(y0, 0), max(x0, 0)
    bottom, right = min(y0 + shape[0], plane.shape[0]), min(x0 + shape[1], plane.shape[1])
    out[top - y0 : bottom - y0, left - x0 : right - x0] = plane[top:bottom, left:right]
    return out


def _stain(pieces: Pieces, group: Group, lumens: Lumens, pad: int) -> tuple[Mask, Mask, Mask, int, int]:
    """Stained pixels, the same with bridges, and glass of a group in a padded crop, with its corner."""
    boxes = np.concatenate([pieces.box[list(group.members)], lumens.box[list(group.lumens)]])
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
    clear = np.zeros_like(wall)
    for lumen in group.lumens:
        t, left, b, r = (int(v) for v in lumens.box[lumen])
        clear[t - y0 : b - y0, left - x0 : r - x0] |= lumens.labels[t:b, left:r] == lumen + 1
    return wall, bridged, clear, y0, x0


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
    """Enclosed regions with enough pale pixels, in number and in share."""
    least_px, share = limits_px
    count, labels = cv2.connectedComponents(enclosed, connectivity=4, ltype=cv2.CV_32S)
    area = np.bincount(labels.ravel(), minlength=count)
    bright = np.bincount(labels.ravel(), weights=pale.ravel(), minlength=count)
    keep = bright >= np.maximum(least_px, share * area)
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)


@lru_cache(maxsize=1)
def _edge_levels() -> NDArray[np.int32]:
    """Level at which a wall ends, for each peak, both in thousandths of optical density.

    A lens blurs light, not optical density: at a wall's edge the light is midway between the wall's and
    the lumen's, ``-log10((1 + 10^-kA) / 2) / k`` - half the peak A of a faint wall, a quarter of a dark one.
    """
    peak_od = np.arange(np.iinfo(np.int16).max + 1) / 1000
    midway = -np.log10((1 + 10 ** (-LIGHT_SHARE * peak_od)) / 2) / LIGHT_SHARE
    return np.round(1000 * np.minimum(EDGE_FACTOR * midway, 0.9 * peak_od)).astype(np.int32)


def _fringe(stained: Mask, smooth: Plane, dab: Plane, radius_px: int) -> Mask:
    """Stained pixels too weak beside their own wall's peak: blur of the wall, not wall."""
    peak = cv2.dilate(np.where(stained > 0, smooth, 0).astype(np.int16), disc(radius_px))
    weak = dab < _edge_levels()[np.maximum(peak, 0)]
    return np.asarray((stained > 0) & weak, np.uint8)


def _grow(seed: Mask, into: Mask, steps: int) -> Mask:
    """Pixels of ``into`` that 4-connected growth from ``seed`` reaches in so many steps."""
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    grown = seed.copy()
    for _ in range(steps):
        grown |= cv2.dilate(grown, cross) & into
    return np.asarray(grown & into, np.uint8)


def _holding(regions: Mask, marks: Mask) -> Mask:
    """Those 4-connected regions that hold at least one mark."""
    count, labels = cv2.connectedComponents(regions, connectivity=4, ltype=cv2.CV_32S)
    keep = np.zeros(count, bool)
    keep[labels[marks > 0]] = True
    keep[0] = False
    return np.asarray(keep[labels], np.uint8)


def _close_and_fill(
    bridged: Mask, solid: Mask, pale: Mask, params: VesselParams, mpp: float
) -> tuple[Mask, Mask]:
    """Object with gaps closed and enclosed areas filled, and its lumens.

    Lumens are sought in the wall as it is, in the wall without its blurred fringe (a narrow slit), and
    in the wall with its gaps closed; wide gaps are closed only if that is what encloses a lumen.
    """
    largest_px = round(params.lumen_max_um2 / mpp**2)
    limits = max(1, round(params.lumen_min_um2 / mpp**2)), params.lumen_pale_share
    closed = close(bridged, pixels(params.close_um / 2, mpp))
    enclosed = _enclosed((bridged, solid, closed), largest_px)
    lumen = _lumens(enclosed & (1 - solid), pale, limits)
    if lumen.any():
        return closed | enclosed, lumen
    wide = close(bridged, pixels(params.wide_close_um / 2, mpp))
    hole = _enclosed((wide,), largest_px)
    # a wide closing fills much of what it encloses: all that is not wall belongs to the lumen
    lumen = _lumens(_holding((wide | hole) & (1 - bridged), hole), pale, limits)
    return (wide | hole, lumen) if lumen.any() else (closed | enclosed, lumen)


def _bulk(stained: Mask, mpp: float) -> Mask:
    """Stain in which a disc of a cell body's radius fits (opening)."""
    body = disc(pixels(CELL_RADIUS_UM, mpp))
    return np.asarray(cv2.morphologyEx(stained, cv2.MORPH_OPEN, body), np.uint8)


def _leaning_cells(stained: Mask, mpp: float) -> Mask:
    """Cell bodies that touch a wall, with their edges."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(_bulk(stained, mpp), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] * mpp**2 >= CELL_UM2
    keep[0] = False
    bodies = np.asarray(keep[labels], np.uint8)
    return _grow(bodies, stained, pixels(1.0, mpp)) if count > 1 else bodies


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
    pad = pixels(params.wide_close_um / 2, scene.mpp) + 2
    stained, bridged, clear, y0, x0 = _stain(pieces, group, lumens, pad)
    smooth, dab, hematoxylin, total = (
        crop(plane, y0, x0, stained.shape)
        for plane in (scene.smooth, scene.dab, scene.hematoxylin, scene.total)
    )
    fringe = _fringe(stained, smooth, dab, pixels(EDGE_REACH_UM, scene.mpp))
    pale = (hematoxylin < params.pale_hematoxylin_od * 1000) & (total < params.pale_total_od * 1000)
    solid = bridged & (1 - fringe)
    filled, lumen = _close_and_fill(bridged, solid, pale.astype(np.uint8), params, scene.mpp)
    if clear.any():
        # smoothing took a rim off the glass
        clear = _grow(clear, 1 - solid, SMOOTHING_RADIUS_PX)
        filled, lumen = filled | clear, lumen | clear
    lumen = lumen | _grow(lumen, fringe, FRINGE_STEPS)
    outside = _grow(1 - filled, fringe & (1 - lumen), FRINGE_STEPS)
    wall, outer = stained & (1 - (lumen | outside)), filled & (1 - outside)
    bulk = _bulk(outer, scene.mpp)
    if lumen.any():
        cells = _leaning_cells(wall, scene.mpp)
        outer = _holding(outer & (1 - cells), lumen)
        wall, bulk = wall & outer, np.zeros_like(bulk)
    glass = crop(scene.clear, y0, x0, stained.shape) < LEVELS_MOD[0]
    return Parts(wall, lumen, outer, bulk, int(np.count_nonzero(glass & (lumen > 0))), y0, x0)
