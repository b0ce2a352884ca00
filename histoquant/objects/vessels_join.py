"""Which pieces of wall are one vessel: pairwise, bounded, the same for every window that sees both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.objects.vessels_glass import Lumens
from histoquant.objects.vessels_nodes import Pieces
from histoquant.objects.vessels_params import VesselParams, pixels

Points = NDArray[np.int64]
Int32 = NDArray[np.int32]
Box = tuple[int, int, int, int]

TANGENT_UM = 8.0
"""A wall's direction is read within this distance of the gap: half the girth of a capillary."""
TANGENT_RATIO = 1.5
"""Less elongated ends (axis ratio) have no direction and continue nothing."""


@dataclass(frozen=True)
class Bridge:
    """The narrowest place between two pieces of one vessel, as window pixels (y, x)."""

    start: tuple[int, int]
    end: tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Pieces that form one vessel.

    Attributes
    ----------
    members : tuple of int
        Rows of `Pieces`, in raster order; the first owns the vessel's first pixel.
    bridges : tuple of Bridge
        Where members are joined.
    lumens : tuple of int
        Rows of `Lumens`: lumens whose wall may have gaps.
    doubtful : bool
        The window does not show everything the vessel depends on.
    first : tuple of int
        First raster pixel (y, x) of the members.
    box : tuple of int
        y0, x0, y1, x1 of the members, half open.
    """

    members: tuple[int, ...]
    bridges: tuple[Bridge, ...]
    lumens: tuple[int, ...]
    doubtful: bool
    first: tuple[int, int]
    box: Box


@njit(cache=True, nogil=True)
def _rim(labels: Int32, label: int, box: Points, near: Points, reach: int) -> Points:
    """Boundary pixels (y, x) of a piece within another box grown by ``reach`` pixels, in raster order."""
    y0, x0, y1, x1 = box
    top, left = max(y0, near[0] - reach), max(x0, near[1] - reach)
    bottom, right = min(y1, near[2] + reach), min(x1, near[3] + reach)
    out = np.empty((max(bottom - top, 0) * max(right - left, 0), 2), np.int64)
    count = 0
    for y in range(top, bottom):
        for x in range(left, right):
            if labels[y, x] != label:
                continue
            beside = y > y0 and labels[y - 1, x] == label and y + 1 < y1 and labels[y + 1, x] == label
            if beside and x > x0 and labels[y, x - 1] == label and x + 1 < x1 and labels[y, x + 1] == label:
                continue
            out[count, 0], out[count, 1] = y, x
            count += 1
    return out[:count]


@njit(cache=True, nogil=True)
def _closest(labels: Int32, box: Points, a: int, b: int, reach: int) -> tuple[int, int, int, int, int]:
    """Squared distance and pixels (y, x) of the closest pair of two rims, the first in raster order."""
    ours = _rim(labels, a + 1, box[a], box[b], reach + 1)
    others = _rim(labels, b + 1, box[b], box[a], reach + 1)
    least, at, to = (reach + 1) ** 2 + 1, -1, -1
    for i in range(ours.shape[0]):
        for j in range(others.shape[0]):
            dy, dx = ours[i, 0] - others[j, 0], ours[i, 1] - others[j, 1]
            far = dy * dy + dx * dx
            if far < least:
                least, at, to = far, i, j
    if at < 0:
        return -1, 0, 0, 0, 0
    return least, ours[at, 0], ours[at, 1], others[to, 0], others[to, 1]


def _narrowest(pieces: Pieces, a: int, b: int, reach: int) -> tuple[Bridge, int] | None:
    """Closest pair of two rims and its squared distance; none if it is not within reach."""
    far, y, x, to_y, to_x = _closest(pieces.labels, pieces.box, a, b, reach)
    return None if far < 0 else (Bridge((y, x), (to_y, to_x)), far)


@njit(cache=True, nogil=True)
def _moments(labels: Int32, label: int, at: tuple[int, int], radius: int) -> tuple[int, ...]:
    """Pixels of a piece within a radius; sums of y, x, yy, xx and xy about the middle."""
    n = sy = sx = syy = sxx = sxy = 0
    for y in range(max(at[0] - radius, 0), min(at[0] + radius + 1, labels.shape[0])):
        for x in range(max(at[1] - radius, 0), min(at[1] + radius + 1, labels.shape[1])):
            dy, dx = y - at[0], x - at[1]
            if labels[y, x] == label and dy * dy + dx * dx <= radius * radius:
                n, sy, sx = n + 1, sy + dy, sx + dx
                syy, sxx, sxy = syy + dy * dy, sxx + dx * dx, sxy + dy * dx
    return n, sy, sx, syy, sxx, sxy


def _tangent(pieces: Pieces, row: int, at: tuple[int, int], radius: int) -> tuple[float, ...] | None:
    """Mean (y, x) and unit direction (y, x) of a piece around a pixel; None for a blunt end."""
    # integer moments about the contact pixel: the same in every window
    n, sy, sx, syy, sxx, sxy = _moments(pieces.labels, row + 1, at, radius)
    cyy, cxx, cxy = n * syy - sy * sy, n * sxx - sx * sx, n * sxy - sx * sy
    half, spread = (cyy + cxx) / 2, math.hypot((cyy - cxx) / 2, cxy)
    # a one-pixel-wide line has no width at all: a pixel's own second moment stands for it
    pixel = n * n / 12
    if math.sqrt((half + spread + pixel) / (half - spread + pixel)) < TANGENT_RATIO:
        return None
    angle = 0.5 * math.atan2(2 * cxy, cxx - cyy)
    return sy / n + at[0], sx / n + at[1], math.sin(angle), math.cos(angle)


def _continues(pieces: Pieces, a: int, b: int, bridge: Bridge, limits: tuple[int, float]) -> bool:
    """Whether two pieces lie along one line at their narrowest place."""
    radius, least_cosine = limits
    one = _tangent(pieces, a, bridge.start, radius)
    other = _tangent(pieces, b, bridge.end, radius)
    if one is None or other is None:
        return False
    dy, dx = other[0] - one[0], other[1] - one[1]
    length = math.hypot(dy, dx)
    if length == 0:
        return False
    cosines = (abs(dy * t[2] + dx * t[3]) / length for t in (one, other))
    return all(cosine >= least_cosine for cosine in cosines)


@njit(cache=True, nogil=True)
def _close_pairs(box: Points, joinable: NDArray[np.bool_], reach: int) -> Points:
    """Pairs to be joined, perhaps: their boxes come within ``reach`` pixels of each other."""
    out = np.empty((256, 2), np.int64)
    count = 0
    for i in range(box.shape[0]):
        j = i + 1
        # tops ascend: pieces are in raster order
        while joinable[i] and j < box.shape[0] and box[j, 0] <= box[i, 2] + reach:
            if joinable[j] and box[j, 1] < box[i, 3] + reach and box[j, 3] > box[i, 1] - reach:
                if count == out.shape[0]:
                    out = np.concatenate((out, np.empty_like(out)))
                out[count, 0], out[count, 1] = i, j
                count += 1
            j += 1
    return out[:count]


def _at_open_edge(
    pieces: Pieces, shape: tuple[int, int], open_edges: tuple[bool, bool, bool, bool], reach: int
) -> NDArray[np.bool_]:
    """Whether something beyond an open edge could lie within reach of each piece."""
    top, left, bottom, right = open_edges
    y0, x0, y1, x1 = pieces.box.T
    height, width = shape
    return np.asarray(
        (top & (y0 <= reach))
        | (left & (x0 <= reach))
        | (bottom & (y1 >= height - reach))
        | (right & (x1 >= width - reach))
    )


def _decide(
    pieces: Pieces, params: VesselParams, open_edges: tuple[bool, bool, bool, bool], mpp: float
) -> tuple[dict[tuple[int, int], Bridge], NDArray[np.bool_]]:
    """Joined pairs with their bridges, and which pieces depend on what the window does not show."""
    reach = pixels(params.join_um, mpp)
    limits = (pixels(TANGENT_UM, mpp), math.cos(math.radians(params.join_angle_deg)))
    touch_px = params.touch_um / mpp
    extent = pieces.extent_px()
    joinable = extent * mpp <= params.join_extent_um
    edge = _at_open_edge(pieces, pieces.labels.shape, open_edges, reach + 1)
    doubt = pieces.cut | (edge & joinable)
    bridges: dict[tuple[int, int], Bridge] = {}
    for a, b in _close_pairs(pieces.box, joinable, reach + 1).tolist():
        found = _narrowest(pieces, a, b, reach)
        if found is None:
            continue
        bridge, squared = found
        if pieces.cut[a] or pieces.cut[b]:
            doubt[[a, b]] = True
        elif squared <= (touch_px + 1) ** 2 or _continues(pieces, a, b, bridge, limits):
            bridges[a, b] = bridge
    return bridges, doubt


def _joined_rows(pieces: Pieces, pairs: list[tuple[int, int]]) -> list[int]:
    """The first row of the vessel that each piece belongs to."""
    parent = list(range(len(pieces)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return [root(row) for row in range(len(pieces))]


def _across_lumens(
    pieces: Pieces, found: Lumens, doubt: NDArray[np.bool_], params: VesselParams, mpp: float
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of walls that face each other across a lumen, and the lumens (row, one of its walls)."""
    joinable = pieces.extent_px() * mpp <= params.join_extent_um
    doubt[[row for row in found.doubtful if joinable[row]]] = True
    pairs: list[tuple[int, int]] = []
    lumens: list[tuple[int, int]] = []
    for lumen, rows in enumerate(found.members):
        short = [row for row in rows if joinable[row]]
        if pieces.cut[list(rows)].any():
            doubt[short] = True
            continue
        pairs.extend((short[0], row) for row in short[1:])
        lumens.append((lumen, short[0] if short else rows[0]))
    return pairs, lumens


def group_pieces(
    pieces: Pieces,
    lumens: Lumens,
    params: VesselParams,
    open_edges: tuple[bool, bool, bool, bool],
    mpp: float,
) -> list[Group]:
    """Join pieces of wall into vessels.

    Two pieces are one vessel where they nearly touch, where they continue each other across a short gap
    (Reyes-Aldasoro's "join"), or where they border the same lumen. A pair is judged by the two pieces
    and that lumen alone, so every window that shows them in full judges alike.

    Parameters
    ----------
    pieces : Pieces
        Pieces in raster order.
    lumens : Lumens
        Lumens of the same window whose wall may have gaps.
    params : VesselParams
        Join distances and angle.
    open_edges : tuple of bool
        Top, left, bottom, right: whether the slide goes on beyond that edge.
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    list of Group
        In the order of their first raster pixel.
    """
    bridges, doubt = _decide(pieces, params, open_edges, mpp)
    facing, gapped = _across_lumens(pieces, lumens, doubt, params, mpp)
    root = _joined_rows(pieces, [*bridges, *facing])
    members: dict[int, list[int]] = {}
    joints: dict[int, list[Bridge]] = {}
    hollows: dict[int, list[int]] = {}
    for row in range(len(pieces)):
        members.setdefault(root[row], []).append(row)
    for (a, _), bridge in sorted(bridges.items()):
        joints.setdefault(root[a], []).append(bridge)
    for lumen, row in gapped:
        hollows.setdefault(root[row], []).append(lumen)
    unsure = doubt.tolist()
    boxes, starts = (list(map(tuple, places.tolist())) for places in (pieces.box, pieces.first))
    return [
        Group(
            tuple(rows),
            tuple(joints.get(first, ())),
            tuple(hollows.get(first, ())),
            any(unsure[row] for row in rows),
            starts[first],
            box_around([boxes[row] for row in rows]),
        )
        for first, rows in sorted(members.items())
    ]


def box_around(boxes: list[Box]) -> Box:
    """The box of several boxes."""
    if len(boxes) == 1:
        return boxes[0]
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)
