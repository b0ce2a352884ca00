"""Whether every window showed enough: objects that a tile owns and whose surroundings it did not see whole.

Tables are the same for every tile size because each decision looks no further than a declared halo. These
counts test that claim on every slide. Each of them is 0; another number is a fault of this program, and
the slide is flagged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from histoquant.objects.stained import StainedObjects

Edges = tuple[bool, bool, bool, bool]
"""Top, left, bottom, right: whether the slide goes on beyond that edge of the window."""

COUNTS: Final = ("nuclei_unclosed", "stained_unclosed", "vessels_unclosed")
"""Counts of a batch that must be 0."""
WINDOW_TOO_SMALL: Final = "WINDOW_TOO_SMALL"


def near_open_edge(
    boxes: npt.NDArray[np.int32], shape: tuple[int, int], open_edges: Edges, margin_px: int
) -> npt.NDArray[np.bool_]:
    """Whether each object comes nearer than ``margin_px`` to an edge beyond which the slide goes on.

    Parameters
    ----------
    boxes : ndarray of int32, shape (n, 4)
        Of the objects: top, left, bottom, right, half open.
    shape : tuple of int
        Height and width of the window.
    open_edges : tuple of bool
        Top, left, bottom, right.
    margin_px : int
        At least 1, for pixels on the edge itself.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    top, left, bottom, right = boxes.T
    beyond = (top, left, shape[0] - bottom, shape[1] - right)
    near = [(free < margin_px) & is_open for free, is_open in zip(beyond, open_edges, strict=True)]
    return np.asarray(np.any(near, axis=0), np.bool_)


def stained_unclosed(stained: StainedObjects, open_edges: Edges, linked: npt.NDArray[np.int64]) -> int:
    """Stained objects of the tile that the window cuts although what it shows of them is not long.

    Parameters
    ----------
    stained : StainedObjects
    open_edges : tuple of bool
        Top, left, bottom, right.
    linked : ndarray of int64, shape (n,)
        Row of the object of each cell the tile owns, -1 for none.

    Returns
    -------
    int
        An object shown longer than its limit is not measured, whatever lies beyond.
    """
    cut = (stained.cut & np.array(open_edges)).any(axis=1) & ~stained.long
    of_tile = np.unique(linked[linked >= 0])
    return int(np.count_nonzero(cut[of_tile]))


def self_check(counts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Sum of each count over a slide's batches, for its manifest."""
    return {name: sum(int(each[name]) for each in counts) for name in COUNTS if name in counts[0]}
