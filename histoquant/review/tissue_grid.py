"""The tissue map of a finished slide, from the outlines in its region table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

GRID_UM = 8.0
"""Edge of a grid cell; a lymphocyte. Outlines of the table run on a grid as fine."""

BoolGrid = NDArray[np.bool_]


@dataclass(frozen=True)
class TissueGrid:
    """Quantifiable tissue of a slide.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, columns)
    cell_um : float
        Edge of a grid cell.
    """

    mask: BoolGrid
    cell_um: float

    def inside(
        self, x_um: NDArray[np.float64], y_um: NDArray[np.float64], grid: BoolGrid
    ) -> NDArray[np.bool_]:
        """Which points lie in the true cells of a grid of this shape."""
        column, row = (np.floor(v / self.cell_um).astype(np.int64) for v in (x_um, y_um))
        known = (row >= 0) & (row < grid.shape[0]) & (column >= 0) & (column < grid.shape[1])
        found = np.zeros(len(x_um), bool)
        found[known] = grid[row[known], column[known]]
        return found

    def polygon(self, xy_um: Any) -> BoolGrid:
        """Grid cells whose centre a flat x, y outline in micrometres holds."""
        return fill([np.asarray(xy_um, np.float64).reshape(-1, 2)], self.mask.shape, self.cell_um)


def tissue_grid(
    regions: pd.DataFrame, mpp_xy: tuple[float, float], size_um: tuple[float, float]
) -> TissueGrid:
    """Draw the tissue of a region table, exclusions taken off.

    Parameters
    ----------
    regions : pandas.DataFrame
        ``kind, outline_xy_px`` of ``regions.parquet``: holes are outlines within outlines.
    mpp_xy : tuple of float
        Micrometres per level-0 pixel.
    size_um : tuple of float
        Width and height of the slide.
    """
    shape = (int(np.ceil(size_um[1] / GRID_UM)), int(np.ceil(size_um[0] / GRID_UM)))
    mask = np.zeros(shape, bool)
    for kind, rows in regions.groupby("kind", sort=False):
        rings = [
            (np.asarray(flat, np.float64).reshape(-1, 2) + 0.5) * mpp_xy for flat in rows["outline_xy_px"]
        ]
        if kind == "tissue":
            mask |= fill(rings, shape, GRID_UM)
    for kind, rows in regions.groupby("kind", sort=False):
        rings = [
            (np.asarray(flat, np.float64).reshape(-1, 2) + 0.5) * mpp_xy for flat in rows["outline_xy_px"]
        ]
        if kind != "tissue":
            mask &= ~fill(rings, shape, GRID_UM)
    return TissueGrid(mask, GRID_UM)


def fill(rings_um: list[NDArray[np.float64]], shape: tuple[int, ...], cell_um: float) -> BoolGrid:
    """Grid cells whose centre an odd number of rings holds."""
    image = np.zeros(shape[:2], np.uint8)
    # fillPoly takes sixteenths of a cell, whose centre is a whole number there and a half here
    points = [np.rint((ring / cell_um - 0.5) * 16).astype(np.int32) for ring in rings_um if len(ring) >= 3]
    if points:
        cv2.fillPoly(image, points, 1, lineType=cv2.LINE_8, shift=4)
    return image.astype(bool)
