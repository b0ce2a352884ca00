"""Nuclei of one window: every nucleus a connected set of pixels, owned by its darkest pixel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.boundary import darkest_and_steps
from histoquant.objects.flood import Lowest, Seen, Told, TooManyError, label, tell, walk_over
from histoquant.objects.ground import Box, counts_of
from histoquant.objects.growing import grown
from histoquant.objects.label_runs import LabelRuns
from histoquant.objects.label_shapes import fill_holes, order_of
from histoquant.objects.lookup import clear_below
from histoquant.objects.loose_runs import LooseRuns
from histoquant.objects.margin import near
from histoquant.objects.nuclei_params import NucleiParams
from histoquant.objects.planes import Planes
from histoquant.objects.score_rules import ScoreRules
from histoquant.objects.smoothing import smooth
from histoquant.objects.split import split_necks
from histoquant.objects.views import doubt_of, view

Int32Array = npt.NDArray[np.int32]
Labels = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.signedinteger]
UInt8Array = npt.NDArray[np.uint8]

_MOD = 1000.0
# Types of labels: the narrower half as much memory to go through, and enough for four times the nuclei that
# dense tissue shows a tile; a window with more is searched again.
_FEW, _MANY = np.uint16, np.int32
AROUND_UM = 2.5
"""Reach of the shell in eight directions that `measure_cells` reads around every nucleus."""


@dataclass(frozen=True, eq=False)
class Nuclei:
    """Labelled nuclei of one window.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the window.
    seeds : ndarray of int32, shape (n, 2)
        (y, x) of each nucleus's darkest pixel, the first in raster order where several are; in raster
        order. The tile whose core holds the seed owns the nucleus.
    edge_od : ndarray of float64, shape (n,)
        Mean step of the search's darkness across the free boundary, OD; NaN where none is free. For
        comparison within a slide: `darkness` compresses it.
    runs : LabelRuns
        The labels' pixels, in label order.
    """

    shape: tuple[int, int]
    seeds: Int32Array
    edge_od: FloatArray
    runs: LabelRuns

    @cached_property
    def labels(self) -> Int32Array:
        """Label image, painted when it is asked for; int32, shape (h, w).

        0 for none; label ``i + 1`` belongs to ``seeds[i]``.
        """
        out = np.zeros(self.shape, np.int32)
        self.runs.paint(out, np.arange(1, len(self.seeds) + 1, dtype=np.int32))
        return out


def nuclei_halo_px(mpp: float, marker: MarkerDefinition) -> int:
    """Pixels a window must show around a seed for its nucleus and cell to be the same in every window.

    Parameters
    ----------
    mpp : float
        Micrometres per pixel.
    marker : MarkerDefinition
        The marker's cytoplasm is shared with neighbours within twice its reach.

    Returns
    -------
    int
    """
    return NucleiParams.of_marker(marker).length_max_px(mpp) + cell_support_px(mpp, marker)


def cell_support_px(mpp: float, marker: MarkerDefinition) -> int:
    """Pixels a window must show around every pixel of a nucleus for it and its cell to be final.

    Parameters
    ----------
    mpp : float
        Micrometres per pixel.
    marker : MarkerDefinition

    Returns
    -------
    int
    """
    return _around_px(mpp, marker) + NucleiParams.of_marker(marker).support_px(mpp)


def _around_px(mpp: float, marker: MarkerDefinition) -> int:
    """How far from its pixels a nucleus meets others that change what is measured of its cell."""
    # features near the nucleus are read this far even where the marker's cytoplasm ends sooner
    reach_um = max(marker.cytoplasm_um, marker.ring_um, AROUND_UM)
    return 2 * math.ceil(reach_um / mpp) + 2


def segment_nuclei(
    planes: Planes,
    marker: MarkerDefinition,
    params: NucleiParams | None = None,
    core: Box | None = None,
) -> Nuclei:
    """Find nuclei.

    Darkness (haematoxylin and some DAB) less a share of its surroundings is cut at every level; of all
    nested regions those are taken that together are the largest, roundest and sharpest (compare Arteta et
    al., MICCAI 2012, who learned the score). No statistic of the window enters.

    Parameters
    ----------
    planes : Planes
        Stain planes of the window.
    marker : MarkerDefinition
        Says where brown may be nucleus.
    params : NucleiParams, optional
        Overrides what follows from the marker.
    core : tuple of 4 int, optional
        Box (y0, x0, y1, x1), half open, of the window. Nuclei with their seeds in there are found, and those
        that are in the way of their cells; others may be left out, and the edges of others are undefined.

    Returns
    -------
    Nuclei
    """
    rules = NucleiParams.of_marker(marker) if params is None else params
    with suppress(TooManyError):
        return _segment(planes, marker, rules, core, _FEW)
    # an error that is being handled would hold all that the first search has made
    return _segment(planes, marker, rules, core, _MANY)


def _segment(
    planes: Planes,
    marker: MarkerDefinition,
    rules: NucleiParams,
    core: Box | None,
    numbers: npt.DTypeLike,
) -> Nuclei:
    """As `segment_nuclei`, with labels of this type."""
    reach = rules.edge_reach_px(planes.mpp)
    labels, count, known, (dark, levels) = _searched(
        planes, rules, numbers, _boxes(planes, rules, marker, core)
    )
    objects = grown(labels, dark, levels, rules.grow_px(planes.mpp), count, known)
    runs = fill_holes(objects)
    if core is not None:
        # each is cut by itself from here on
        runs = runs.some(runs.touching(_around(core, _in_the_way_px(planes.mpp, marker, rules))))
    least_px = math.ceil(rules.area_min_um2 / planes.mpp**2)
    runs = split_necks(runs, _neck_shares(runs, planes, rules), least_px)
    seeds, steps = darkest_and_steps(runs, objects.held, dark, reach)
    return _numbered(planes.shape, runs, seeds, steps)


def _searched(
    planes: Planes, rules: NucleiParams, numbers: npt.DTypeLike, boxes: Iterator[Box | None]
) -> tuple[Labels, int, UInt8Array, tuple[IntArray, UInt8Array]]:
    """Labels of all passes, their count and lowest levels; darkness and levels of the first pass.

    A walk needs the most memory: what edges are told from is let go before it, and labels are made after it.
    """
    mpp, score = planes.mpp, ScoreRules.of(rules, planes.mpp)
    dark, levels = view(planes, rules)
    # a nuclear stain is no nucleus's surroundings: a step that stays in brown parts grains of one nucleus
    doubt = doubt_of(planes, rules) if rules.dab_weight > 0 else None
    seen = Seen(levels, dark, doubt, None, rules.edge_reach_px(mpp), counts_of(levels), next(boxes))
    found = walk_over(tell(seen, score), score)
    labels, lowest = np.zeros(planes.shape, numbers), Lowest(levels, [], True)
    count = label(labels, 0, found, lowest)
    if rules.second_length_um > 0:
        told = _left_over(labels, planes, rules, seen._replace(box=next(boxes)))
        del seen, doubt
        found = walk_over(told, ScoreRules.of(rules.second(), mpp))
        del told
        own = rules.second_dab_weight == rules.dab_weight
        count = label(labels, count, found, lowest._replace(own=own))
    if rules.body_length_um > 0:
        bodies = rules.bodies()
        found = walk_over(_bodies(labels, planes, bodies, next(boxes)), ScoreRules.of(bodies, mpp))
        count = label(labels, count, found, lowest._replace(own=False))
    return labels, count, np.concatenate(lowest.found), (dark, levels)


def _in_the_way_px(mpp: float, marker: MarkerDefinition, rules: NucleiParams) -> int:
    """How far from a core objects lie that may be those of its seeds or in the way of their cells."""
    return rules.object_px(mpp) + _around_px(mpp, marker)


def _around(box: Box, far_px: int) -> Box:
    return box[0] - far_px, box[1] - far_px, box[2] + far_px, box[3] + far_px


def _boxes(
    planes: Planes, rules: NucleiParams, marker: MarkerDefinition, core: Box | None
) -> Iterator[Box | None]:
    """Where each pass must find regions, for labels to be right wherever something may be in the way."""
    far_px = _in_the_way_px(planes.mpp, marker, rules)
    for more_px in rules.sought_px(planes.mpp):
        yield None if core is None else _around(core, far_px + more_px)


def nuclei_from_labels(labels: Int32Array, planes: Planes, marker: MarkerDefinition) -> Nuclei:
    """Seeds and edges of nuclei that something else has outlined.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Labels 1 to n, each a connected set of pixels; 0 for none.
    planes : Planes
        Stain planes of the same window.
    marker : MarkerDefinition

    Returns
    -------
    Nuclei
    """
    rules = NucleiParams.of_marker(marker)
    dark, _ = view(planes, rules)
    runs, _ = LooseRuns.met(labels, int(labels.max(initial=0)))
    held = runs.bits(labels.shape)
    return _numbered(
        planes.shape, runs, *darkest_and_steps(runs, held, dark, rules.edge_reach_px(planes.mpp))
    )


def _numbered(shape: tuple[int, int], runs: LooseRuns, seeds: Int32Array, steps: FloatArray) -> Nuclei:
    """Number objects by their darkest pixels in raster order."""
    order = order_of(seeds, shape[1])
    return Nuclei(shape, np.ascontiguousarray(seeds[order]), steps[order] / _MOD, runs.taken(order))


def _left_over(labels: Labels, planes: Planes, rules: NucleiParams, before: Seen) -> Told:
    """Of the nuclei that the first pass had to leave, the edges.

    Every region with them also held another, or the stain of the cell hides them.
    """
    second, seen = rules.second(), before
    if second.dab_weight != rules.dab_weight:
        dark, levels = view(planes, second)
        seen = before._replace(levels=levels, darkness=dark, counts=None)
    if seen.doubt is None:
        seen = seen._replace(doubt=doubt_of(planes, rules))
    return _more(labels, seen, second, planes.mpp)


def _bodies(labels: Labels, planes: Planes, rules: NucleiParams, box: Box | None) -> Told:
    """Of brown bodies in which no nucleus shows, the edges."""
    dark, levels = view(planes, rules)
    *stains, gain = planes.stains
    blue, brown = (smooth(stain, rules.detail_um / planes.mpp, gain) for stain in stains)
    clear_below(levels, brown, blue, round(100 * rules.brown_share))
    del blue, brown
    seen = Seen(levels, dark, None, None, rules.edge_reach_px(planes.mpp), None, box)
    return _more(labels, seen, rules, planes.mpp)


def _more(labels: Labels, seen: Seen, rules: NucleiParams, mpp: float) -> Told:
    """Edges of one more pass over what is left free."""
    taken = near(labels, rules.margin_px(mpp))
    return tell(seen._replace(blocked=taken), ScoreRules.of(rules, mpp))


def _neck_shares(runs: LooseRuns, planes: Planes, rules: NucleiParams) -> FloatArray:
    """How narrow a neck of each object must be to be cut."""
    shares = np.full(len(runs.first), rules.neck_share)
    if rules.brown_neck_share != rules.neck_share:
        blue, brown = runs.stains(planes.hematoxylin, planes.dab).T
        shares[brown >= rules.brown_share * blue] = rules.brown_neck_share
    return shares
