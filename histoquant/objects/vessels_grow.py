"""Vessels of a tile whose first window does not show all of them: a larger look at those alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.objects.planes import Planes
from histoquant.objects.vessels import Undecided, VesselCore, VesselResult, find_vessels
from histoquant.objects.vessels_params import VesselParams, vessels_cap_halo_px, vessels_halo_px

Box = tuple[int, int, int, int]
Rows = Callable[[pa.Table], NDArray[np.bool_]]
Read = Callable[[Box, int], tuple[Planes, VesselCore]]

# Pixels of a core that is looked at as one: a pixel of a vessels' window takes more memory than one in which
# nuclei are sought, and a larger window is read where vessels leave it.
_MOST_PX = 2688**2


def find_whole_vessels(
    read: Read,
    box: Box,
    mpp: float,
    params: VesselParams,
    counted: Rows | None = None,
    excluded: Rows | None = None,
    halo_px: int | None = None,
) -> VesselResult:
    """Vessels owned by a box, each of them seen whole; a large box is looked at in parts.

    A vessel that leaves the window is sought again in a window twice as far, around the box of what is
    still undecided rather than around the whole tile: a long vessel costs its own surroundings only.

    Parameters
    ----------
    read : callable
        Window and core for a box (y0, x0, y1, x1) in plane pixels, half open, and a halo in pixels.
    box : tuple of int
        What is owned.
    mpp : float
        Micrometres per pixel.
    params : VesselParams
        The rules.
    counted, excluded : callable, optional
        As for `find_vessels`.
    halo_px : int, optional
        First halo; `vessels_halo_px` by default.

    Returns
    -------
    VesselResult
        With nothing unclosed, rows in raster order of the first pixel.
    """
    cap = vessels_cap_halo_px(mpp, params)
    halo = min(cap, halo_px or vessels_halo_px(mpp, params))

    def look(box: Box, halo: int, only: Undecided | None) -> VesselResult:
        planes, core = read(box, halo)
        return find_vessels(planes, core, params, counted=counted, excluded=excluded, only=only)

    return _together([list(_looks(look, part, halo, cap)) for part in _parts(box)])


def _parts(box: Box) -> list[Box]:
    """Equal bands of rows, none with more than so many pixels."""
    y0, x0, y1, x1 = box
    count = min(max(1, -(-(y1 - y0) * (x1 - x0) // _MOST_PX)), max(1, y1 - y0))
    edges = [y0 + k * (y1 - y0) // count for k in range(count + 1)]
    return [(top, x0, bottom, x1) for top, bottom in pairwise(edges)]


def _looks(
    look: Callable[[Box, int, Undecided | None], VesselResult], box: Box, halo: int, cap: int
) -> Iterator[VesselResult]:
    """Results of larger and larger windows, until all that the box owns is decided."""
    only: Undecided | None = None
    while True:
        result = look(box, halo, only)
        yield result
        if not len(result.unclosed) or halo >= cap:
            return
        # what the core owns at last begins at a pixel that begins something undecided now: the first pixel
        # of the whole is the first of its part in this window
        only = result.undecided
        (y0, x0), (y1, x1) = result.unclosed.min(axis=0), result.unclosed.max(axis=0)
        box, halo = (int(y0), int(x0), int(y1) + 1, int(x1) + 1), min(2 * halo, cap)


def _together(looks: list[list[VesselResult]]) -> VesselResult:
    """One result of all looks at some parts; each vessel is in one of them."""
    found = [each for part in looks for each in part]
    if len(found) == 1:
        return found[0]
    order = [("first_y_px", "ascending"), ("first_x_px", "ascending")]
    last = [part[-1] for part in looks]
    shifts = zip(*(each.undecided for each in last), strict=True)
    return VesselResult(
        pa.concat_tables([each.table for each in found]).sort_by(order),
        np.concatenate([each.unclosed for each in last]),
        any(each.oversize for each in found),
        sum(each.count_low for each in found),
        sum(each.count_high for each in found),
        sum(each.count_excluded for each in found),
        tuple(frozenset().union(*each) for each in shifts),
    )
