"""Which found nuclei stand for a cell: neither caps of nuclei nor fragments of one brown cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from histoquant.errors import UsageError
from histoquant.objects.caps import CapLimits, is_cap

if TYPE_CHECKING:
    from histoquant.markers.definition import MarkerDefinition

BoolArray = npt.NDArray[np.bool_]

JUDGED_COLUMNS = (
    *("hematoxylin_od", "nucleus_dab_od", "nucleus_area_um2", "edge_od"),
    *("around_dab_p50_od", "stain_object_um2"),
)
"""Columns that `is_countable` reads beside centroids, the last only where a table has it."""

# The nucleus of a cell with brown cytoplasm is the paler place in it: 95 % of such nuclei hold less than 0.76
# of the DAB around them, on sections of known content; what unmixing makes of dense granules holds as much.
BROWN_ITSELF = 0.9
# A macrophage is 15 - 25 um wide, so its own nucleus lies within half of that.
SAME_CELL_UM = 10.0
# Half the threshold: a fragment of a cell is stained, if not always enough to be positive.
_STAINED = 0.5


def is_fragment(cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition, mpp: float) -> BoolArray:
    """Objects as brown as what surrounds them, beside the nucleus of the same brown cell.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cells of one slide with features and centroids (``centroid_x_px``, ``centroid_y_px``).
    marker : MarkerDefinition
        Only cytoplasmic markers leave fragments.
    mpp : float
        Micrometres per pixel of the centroids.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    UsageError
        If the resolution is not a positive number.
    """
    if not mpp > 0:
        raise UsageError(
            f"fragments of cells are told by distances; they need um per pixel above 0, got {mpp}"
        )
    around = np.asarray(cells["around_dab_p50_od"], dtype=np.float64)
    inside = np.asarray(cells["nucleus_dab_od"], dtype=np.float64)
    fragment = np.zeros(around.shape, dtype=np.bool_)
    if marker.compartment != "cytoplasmic":
        return fragment
    stained = around >= _STAINED * marker.threshold_od
    brown = np.flatnonzero(stained & (inside >= BROWN_ITSELF * around))
    nuclei = np.flatnonzero(stained & (inside < BROWN_ITSELF * around))
    if brown.size and nuclei.size:
        both = np.concatenate([nuclei, brown])
        place = (
            np.column_stack([np.asarray(cells[f"centroid_{axis}_px"], np.float64)[both] for axis in "yx"])
            * mpp
        )
        near, _ = cKDTree(place[: nuclei.size]).query(place[nuclei.size :], distance_upper_bound=SAME_CELL_UM)
        fragment[brown] = np.isfinite(near)
    return fragment


def is_countable(
    cells: Mapping[str, npt.ArrayLike], marker: MarkerDefinition, mpp: float, limits: CapLimits | None = None
) -> BoolArray:
    """Nuclei that a reader would count.

    Parameters
    ----------
    cells : mapping of str to array_like
        All cells of one slide, never of one tile, unless limits are given.
    marker : MarkerDefinition
    mpp : float
        Micrometres per pixel of the centroids.
    limits : CapLimits, optional
        What a nucleus of the slide must reach; default: from these cells.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    return np.asarray(~is_cap(cells, marker, limits) & ~is_fragment(cells, marker, mpp), dtype=np.bool_)
