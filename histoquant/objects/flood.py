"""Nuclei among all nested regions of a window, found in one walk that keeps no tree.

Thresholding a quantised image at every level gives nested connected regions: a region is a property of the
image, not of the window or of the order of processing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.edge_words import edge_words, step_kind
from histoquant.objects.ground import AT_LEVEL, FROM, TO, Box, Found, Ground, counts_of, framed
from histoquant.objects.prefetch import prefetch
from histoquant.objects.score_rules import ScoreRules
from histoquant.objects.steep_zone import give_up_far, steep_columns, steepest_room
from histoquant.objects.waiting import Waiting
from histoquant.objects.walk import walk

Int32Array = npt.NDArray[np.int32]
Labels = npt.NDArray[np.integer]
IntArray = npt.NDArray[np.signedinteger]
Int64Array = npt.NDArray[np.int64]
UInt8Array = npt.NDArray[np.uint8]
UInt32Array = npt.NDArray[np.uint32]

_kernel = njit(cache=True, nogil=True, error_model="numpy")


class Seen(NamedTuple):
    """What one pass of the search looks at, all of one shape.

    Attributes
    ----------
    levels : ndarray of uint8, shape (h, w)
        0 for background; regions are the 4-connected sets of pixels at or above each level.
    darkness : ndarray of int16 or int32, shape (h, w)
        Where the step across a region's boundary is measured: from ``reach_px`` inside the inner pixel
        of an edge to ``reach_px`` outside the outer one.
    doubt : ndarray of int16 or int32, shape (h, w), or None
        Taken off the step across an edge, at its outer pixel; None for nothing.
    blocked : ndarray of uint8, shape (h, w), or None
        1 for pixels that are taken: in no region, and an edge to them tells nothing.
    reach_px : int
        0 for the two pixels of the edge themselves.
    counts : ndarray of int64, shape (255,), or None
        How many pixels have each level from 1 on, where it is known, or more.
    box : tuple of 4 int, optional
        Of the window (y0, x0, y1, x1), half open: what is labelled there is as without a box, elsewhere
        regions may be left out.
    """

    levels: UInt8Array
    darkness: IntArray
    doubt: IntArray | None
    blocked: UInt8Array | None
    reach_px: int
    counts: Int64Array | None = None
    box: Box | None = None


class TooManyError(ArithmeticError):
    """A label image's numbers do not reach: the caller needs wider ones."""


class Lowest(NamedTuple):
    """The lowest level in each region.

    Attributes
    ----------
    levels : ndarray of uint8, shape (h, w)
        Which levels are meant.
    found : list of ndarray of uint8
        Of the regions of each pass, by their number.
    own : bool
        Whether the pass that comes looks at these levels itself.
    """

    levels: UInt8Array
    found: list[UInt8Array]
    own: bool


class Told(NamedTuple):
    """All that a walk needs of one pass: darkness, doubt, and what is blocked are told, and may be let go.

    Attributes
    ----------
    levels : ndarray of uint8, shape (h + 2, w + 2 or more)
        Within a frame of zeros.
    words : ndarray of int32, of its shape
        From `edge_words`.
    counts : ndarray of int64, shape (255,)
        How many pixels have each level from 1 on, or more.
    steep : ndarray of uint8, shape (rows of blocks, w), or None
        Where regions are sought.
    box : tuple of 4 int, or None
        Of the framed window: only regions of pixels within are sought.
    """

    levels: UInt8Array
    words: Int32Array
    counts: Int64Array
    steep: UInt8Array | None
    box: Box | None


class Walked(NamedTuple):
    """The regions that one pass has chosen, until this thread walks again.

    Attributes
    ----------
    order : ndarray of uint32, shape (n,)
        Pixels of the framed window.
    chosen : ndarray of int64, shape (m, 4)
        Of each where it begins in ``order``, one past its end, its level and its score.
    width : int
        Of the framed window.
    """

    order: UInt32Array
    chosen: Int64Array
    width: int


def tell(seen: Seen, rules: ScoreRules) -> Told:
    """Tell the edges of all regions of one pass.

    Parameters
    ----------
    seen : Seen
    rules : ScoreRules

    Returns
    -------
    Told
        Its words are written over when this thread tells others.
    """
    levels = framed(seen.levels, seen.blocked)
    counts = counts_of(seen.levels) if seen.counts is None else seen.counts
    steep = steepest = None
    # elsewhere edges are steep all over: in the first pass, and where no brown is doubted
    if seen.blocked is not None and seen.doubt is not None:
        steepest = steepest_room(levels.shape, step_kind(seen.darkness, seen.doubt))
    words = edge_words(levels, seen.darkness, seen.doubt, seen.blocked, seen.reach_px, steepest)
    if steepest is not None:
        steep = steep_columns(steepest, rules.edge_min_mod)
    return Told(levels, words, counts, steep, _framed_box(seen.box, 0 if steep is None else rules.length_px))


def walk_over(told: Told, rules: ScoreRules) -> Walked:
    """Choose the disjoint regions of one pass with the largest total score, decided from the inside out.

    A region is taken if its score is at least that of the best choice inside it, which is credited with
    ``(area of the region / area of the choice) ** regrowth``, because parts come apart only after they lost
    area. Only regions around a pixel decide about the pixel, so the choice is exact within the length of
    the longest region. Planes that edges were told from may be let go before.

    Parameters
    ----------
    told : Told
    rules : ScoreRules

    Returns
    -------
    Walked
    """
    found = Found.room(int(told.counts.sum()), rules.least_px)
    ground = Ground.of(told.levels, told.words, told.steep, told.box)
    if told.steep is not None:
        give_up_far(ground.unmet.reshape(told.levels.shape), told.steep, rules.length_px)
    count = int(walk(ground, Waiting.of(told.counts), found, rules))
    return Walked(found.order, found.chosen[:count], ground.width)


def label(labels: Labels, last: int, walked: Walked, lowest: Lowest | None = None) -> int:
    """Label, in place, the regions that a pass has chosen, which are used up.

    Parameters
    ----------
    labels : ndarray of uint16 or int32, shape (h, w)
        What it holds where the pass is blocked stays.
    last : int
        Its largest label: regions are numbered on from there, by their level, then by their last pixel.
    walked : Walked
    lowest : Lowest, optional
        Receives one more array.

    Returns
    -------
    int
        The last number given.

    Raises
    ------
    TooManyError
        If ``labels`` cannot hold it; nothing is labelled.
    """
    order, chosen, width = walked
    count = len(chosen)
    if last + count > np.iinfo(labels.dtype).max:
        raise TooManyError(f"{last + count} regions are more than {labels.dtype} numbers")
    latest = _to_places(width, labels.shape[1], order, chosen)
    number = np.empty(count, np.int32)
    number[np.lexsort((-latest, chosen[:, AT_LEVEL]))] = np.arange(last + 1, last + 1 + count)
    _paint(labels.reshape(1, -1), order, chosen, number)
    if lowest is not None:
        # the lowest that a region holds of its own pass's levels is its own
        known = chosen[:, AT_LEVEL] if lowest.own else _least(lowest.levels, order, chosen)
        lowest.found.append(known[np.argsort(number)].astype(np.uint8))
    return last + count


def _framed_box(box: Box | None, beyond_px: int) -> Box | None:
    """A box of the window, so much larger to all sides, in the framed window.

    A walk from one pixel of a region meets all that decide about it, those inside it among them. Every pixel
    of a region is one to begin from, but where only steep ones are: these may lie a region's length away.
    """
    if box is None:
        return None
    y0, x0, y1, x1 = box
    return y0 + 1 - beyond_px, x0 + 1 - beyond_px, y1 + 1 + beyond_px, x1 + 1 + beyond_px


def _least(levels: UInt8Array, order: UInt32Array, chosen: Int64Array) -> Int64Array:
    out = np.empty(len(chosen), np.int64)
    _find_least(np.ascontiguousarray(levels).reshape(1, -1), order, chosen, out)
    return out


@_kernel
def _fetch_next(plane: npt.NDArray[Any], order: UInt32Array, chosen: Int64Array, k: int) -> None:
    """Regions lie far from one another: the next one's pixels come while this one is looked at."""
    if k + 1 < chosen.shape[0]:
        for t in range(np.uint64(chosen[k + 1, FROM]), np.uint64(chosen[k + 1, TO])):
            prefetch(plane, 0, order[t])


@_kernel
def _to_places(stride: int, width: int, order: UInt32Array, chosen: Int64Array) -> Int64Array:
    """From pixels of the frame to those of the labels, in place; the last one of each region."""
    last = np.empty(chosen.shape[0], np.int64)
    # a row of the frame holds so much more; as in the walk, faster than to divide
    more, rows = np.uint32(stride - width), 1.0 / stride
    before = np.uint32(stride + 1) - more
    for k in range(last.size):
        latest = np.uint32(0)
        for t in range(np.uint64(chosen[k, FROM]), np.uint64(chosen[k, TO])):
            place = np.uint32(order[t] - np.uint32((order[t] + 0.5) * rows) * more - before)
            order[t] = place
            latest = max(latest, place)
        last[k] = latest
    return last


@_kernel
def _paint(labels: Labels, order: UInt32Array, chosen: Int64Array, number: Int32Array) -> None:
    for k in range(number.size):
        _fetch_next(labels, order, chosen, k)
        for t in range(np.uint64(chosen[k, FROM]), np.uint64(chosen[k, TO])):
            labels[0, order[t]] = number[k]


@_kernel
def _find_least(levels: UInt8Array, order: UInt32Array, chosen: Int64Array, out: Int64Array) -> None:
    for k in range(out.size):
        _fetch_next(levels, order, chosen, k)
        least = np.uint8(255)
        for t in range(np.uint64(chosen[k, FROM]), np.uint64(chosen[k, TO])):
            least = min(least, levels[0, order[t]])
        out[k] = least
