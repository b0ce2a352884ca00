"""Cells by their stained area: what one covers, brown without a nucleus, sheets that hide nuclei."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from histoquant.metrics.area import cell_area_um2
from histoquant.metrics.measured import Measured

POSITIVE_SHARE = 0.8
"""Nuclei are hidden only where nearly all cells are brown; elsewhere a missed one costs little."""
SEEDS_FAIL = 1.1
"""Cells by area over cells by nuclei from which nuclei are said to be hidden. Over phantoms in which nearly
every nucleus shows it is 0.97 to 1.06, on two real lymphoid fields 1.03 and 1.05."""
LARGEST_CELL_UM2 = 80.0
"""A lymphocyte is 7 to 10 um wide; what one cell seems to cover beyond that is unspecific stain around it,
and area counts nothing. Phantoms give 42 to 59 um2; cloudy ground stain that was not taken off, 90."""
SHARED = 0.93
"""Stained area of a cell among cells over that of one alone: neighbours overlap in the section and share
the blurred rim. On drawn sections 0.87 (sheets) to 0.99 (aggregates): 0.95 over families, 0.91 over cells."""
LEAST_CELLS = 10.0
"""Cells by area in a neighbourhood of 3 x 3 blocks below which it is no sheet."""


@dataclass(frozen=True)
class StainedArea:
    """Stained area of a slide by hysteresis, in quantifiable tissue.

    Attributes
    ----------
    area_um2 : tuple of float
        At 0.8, 1 and 1.2 of the threshold.
    objects : ndarray of int64, shape (n,)
        Ids of the objects small enough to be one cell.
    block_um : tuple of float
        Width and height of a block.
    block_xy : ndarray of int64, shape (m, 2)
        Column and row of each block that holds stain.
    block_um2 : ndarray of float64, shape (m,)
        Stained area of each.
    """

    area_um2: tuple[float, float, float]
    objects: NDArray[np.int64]
    block_um: tuple[float, float]
    block_xy: NDArray[np.int64]
    block_um2: NDArray[np.float64]


@dataclass(frozen=True)
class SheetCount:
    """Cells that nuclei did not show, where area is counted instead.

    Attributes
    ----------
    block_xy : ndarray of int64, shape (k, 2)
        Blocks counted by area.
    excess : ndarray of float64, shape (k,)
        Cells by area less cells by nuclei in each.
    """

    block_xy: NDArray[np.int64]
    excess: NDArray[np.float64]

    @property
    def added(self) -> int:
        """Cells of all blocks that nuclei did not show; never negative."""
        return max(0, round(float(self.excess.sum())))


def one_cell_um2(positive: pd.DataFrame) -> Measured:
    """Median area of stained objects that hold exactly one positive cell.

    Parameters
    ----------
    positive : pandas.DataFrame
        Positive cells with ``stain_object`` (0 for none, negative for one too large to be one cell) and
        ``stain_object_um2``.

    Returns
    -------
    Measured
        um2; ``NO_CELL_AREA`` with fewer than 20 such objects.
    """
    ids = positive["stain_object"].to_numpy(np.int64)
    small = ids > 0
    _, first, count = np.unique(ids[small], return_index=True, return_counts=True)
    areas = positive["stain_object_um2"].to_numpy(np.float64)[small][first[count == 1]]
    return cell_area_um2(areas)


def anucleate_objects(stained: StainedArea, positive: pd.DataFrame) -> Measured:
    """Stained objects, small enough to be one cell, in which no positive cell has its nucleus."""
    return Measured(int(np.count_nonzero(~np.isin(stained.objects, positive["stain_object"]))))


def count_sheets(stained: StainedArea, cells: pd.DataFrame, cell_um2: float) -> SheetCount:
    """Count by area where nearly all cells are brown and nuclei are too few for the brown.

    Both are judged over 3 x 3 blocks, so that a border between blocks decides little.

    Parameters
    ----------
    stained : StainedArea
    cells : pandas.DataFrame
        ``x_um, y_um, positive``.
    cell_um2 : float
        Stained area of one cell alone; beyond `LARGEST_CELL_UM2` nothing is counted by area.

    Returns
    -------
    SheetCount
    """
    none = SheetCount(np.zeros((0, 2), np.int64), np.zeros(0))
    if not len(stained.block_xy) or not 0 < cell_um2 <= LARGEST_CELL_UM2:
        return none
    column, row = (
        np.floor(cells[axis].to_numpy(np.float64) / size).astype(np.int64)
        for axis, size in zip(("x_um", "y_um"), stained.block_um, strict=True)
    )
    x, y = stained.block_xy.T
    shape = int(max(y.max(), row.max(initial=0))) + 1, int(max(x.max(), column.max(initial=0))) + 1
    area = np.zeros(shape)
    area[y, x] = stained.block_um2 / (SHARED * cell_um2)
    counts = np.zeros((2, *shape), np.int64)
    np.add.at(counts, (cells["positive"].to_numpy(bool).astype(np.intp), row, column), 1)
    around = np.ones((3, 3), np.int64)
    by_area = ndimage.convolve(area, around.astype(np.float64), mode="constant")
    negative, positive = (ndimage.convolve(each, around, mode="constant") for each in counts)
    brown = by_area * (1.0 - POSITIVE_SHARE) > negative * POSITIVE_SHARE
    fails = brown & (by_area >= SEEDS_FAIL * positive) & (by_area >= LEAST_CELLS) & (area > 0)
    rows, columns = np.nonzero(fails)
    return SheetCount(np.column_stack([columns, rows]), (area - counts[1])[rows, columns])
