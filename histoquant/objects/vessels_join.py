"""Which pieces of wall are one vessel: pairwise, bounded, the same for every window that sees both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoquant.objects.vessels_glass import Lumens
from histoquant.objects.vessels_nodes import Pieces
from histoquant.objects.vessels_params import VesselParams, pixels

Points = NDArray[np.int64]

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
    """

    members: tuple[int, ...]
    bridges: tuple[Bridge, ...]
    lumens: tuple[int, ...]
    doubtful: bool


def _rim(pieces: Pieces, row: int) -> Points:
    """Boundary pixels (y, x) of a piece, in raster order."""
    y0, x0, y1, x1 = pieces.box[row]
    mask = np.pad(pieces.labels[y0:y1, x0:x1] == row + 1, 1)
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return np.asarray(np.argwhere(mask[1:-1, 1:-1] & ~inner) + np.array([y0, x0]), np.int64)


def _near(points: Points, box: NDArray[np.int64], reach: int) -> Points:
    """Points within a box grown by ``reach`` pixels."""
    y, x = points[:, 0], points[:, 1]
    inside = (y >= box[0] - reach) & (y < box[2] + reach) & (x >= box[1] - reach) & (x < box[3] + reach)
    return np.asarray(points[inside])


def _narrowest(a: Points, b: Points, reach: int) -> tuple[Bridge, int] | None:
    """Closest pair of two rims and its squared distance; ties go to the first in raster order."""
    if not len(a) or not len(b):
        return None
    squared = (a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2
    at = int(squared.argmin())
    least = int(squared.flat[at])
    if least > (reach + 1) ** 2:
        return None
    i, j = divmod(at, len(b))
    return Bridge((int(a[i, 0]), int(a[i, 1])), (int(b[j, 0]), int(b[j, 1]))), least


def _tangent(pieces: Pieces, row: int, at: tuple[int, int], radius: int) -> tuple[float, ...] | None:
    """Mean (y, x) and unit direction (y, x) of a piece around a pixel; None for a blunt end."""
    y0, x0 = max(at[0] - radius, 0), max(at[1] - radius, 0)
    patch = pieces.labels[y0 : at[0] + radius + 1, x0 : at[1] + radius + 1] == row + 1
    offset = np.argwhere(patch) + np.array([y0 - at[0], x0 - at[1]])
    offset = offset[(offset**2).sum(axis=1) <= radius * radius]
    n = len(offset)
    # integer moments about the contact pixel: the same in every window
    sy, sx = (int(s) for s in offset.sum(axis=0))
    syy, sxx = (int(s) for s in (offset**2).sum(axis=0))
    sxy = int((offset[:, 0] * offset[:, 1]).sum())
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


def _close_pairs(pieces: Pieces, reach: int) -> list[tuple[int, int]]:
    """Pairs whose boxes come within ``reach`` pixels of each other."""
    pairs: list[tuple[int, int]] = []
    top = pieces.box[:, 0]  # ascending: pieces are in raster order
    for i in range(len(pieces)):
        last = int(np.searchsorted(top, pieces.box[i, 2] + reach, side="right"))
        rest = pieces.box[i + 1 : last]
        near = (rest[:, 1] < pieces.box[i, 3] + reach) & (rest[:, 3] > pieces.box[i, 1] - reach)
        pairs.extend((i, i + 1 + int(j)) for j in np.flatnonzero(near))
    return pairs


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
    rims: dict[int, Points] = {}
    bridges: dict[tuple[int, int], Bridge] = {}
    for a, b in _close_pairs(pieces, reach + 1):
        if not (joinable[a] and joinable[b]):
            continue
        for row in (a, b):
            if row not in rims:
                rims[row] = _rim(pieces, row)
        near = _near(rims[a], pieces.box[b], reach + 1), _near(rims[b], pieces.box[a], reach + 1)
        found = _narrowest(*near, reach)
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
    return [
        Group(
            tuple(rows), tuple(joints.get(first, ())), tuple(hollows.get(first, ())), bool(doubt[rows].any())
        )
        for first, rows in sorted(members.items())
    ]
