"""Vessels of a tile whose first window does not show all of them: a larger look at those alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.objects.planes import Planes
from histoquant.objects.vessels import Undecided, VesselCore, VesselResult, find_vessels
from histoquant.objects.vessels_params import VesselParams, vessels_cap_halo_px, vessels_halo_px

Box = tuple[int, int, int, int]
Rows = Callable[[pa.Table], NDArray[np.bool_]]


def find_whole_vessels(
    read: Callable[[Box, int], tuple[Planes, VesselCore]],
    box: Box,
    mpp: float,
    params: VesselParams,
    counted: Rows | None = None,
    excluded: Rows | None = None,
    halo_px: int | None = None,
) -> VesselResult:
    """Vessels owned by a box, each of them seen whole.

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
    only: Undecided | None = None
    found: list[VesselResult] = []
    while True:
        planes, core = read(box, halo)
        result = find_vessels(planes, core, params, counted=counted, excluded=excluded, only=only)
        del planes  # before the next are read
        found.append(result)
        if not len(result.unclosed) or halo >= cap:
            return _together(found)
        # what the core owns at last begins at a pixel that begins something undecided now: the first pixel
        # of the whole is the first of its part in this window
        only = result.undecided
        (y0, x0), (y1, x1) = result.unclosed.min(axis=0), result.unclosed.max(axis=0)
        box, halo = (int(y0), int(x0), int(y1) + 1, int(x1) + 1), min(2 * halo, cap)


def _together(found: list[VesselResult]) -> VesselResult:
    """One result of several looks; each vessel is in one of them."""
    if len(found) == 1:
        return found[0]
    order = [("first_y_px", "ascending"), ("first_x_px", "ascending")]
    return VesselResult(
        pa.concat_tables([each.table for each in found]).sort_by(order),
        found[-1].unclosed,
        any(each.oversize for each in found),
        sum(each.count_low for each in found),
        sum(each.count_high for each in found),
        sum(each.count_excluded for each in found),
        found[-1].undecided,
    )
