"""Lymphoid aggregates: dense clusters of CD20+ cells, their area and outline, and what lies outside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.metrics.clustering import dbscan, members_of
from histoquant.metrics.measured import Measured
from histoquant.metrics.tissue import Tissue

GRID_UM = 2.0
"""Raster on which areas are drawn, anchored at the slide's corner; a tenth of a disc's radius."""
MIN_DIFFUSE_MM2 = 0.05
"""With less tissue outside aggregates there is no diffuse density (formula F5)."""
COLUMNS = ("aggregate_id", "x_um", "y_um", "cells", "area_um2", "cells_per_mm2", "outline_xy_um")
"""Columns of `Aggregates.table`; the outline is a flat list x, y, x, y, ..."""


@dataclass(frozen=True)
class AggregateRules:
    """What counts as an aggregate.

    Attributes
    ----------
    eps_um, min_points : float, int
        DBSCAN: 16 neighbours are expected in 20 um at a follicle's 12,800/mm2, 0.6 at 500/mm2.
    min_cells, min_um2, min_contrast : int, float, float
        Least cells, area, and density over the rest of the section (PMC8460026: 45, 6,245 um2, 3).
    reach_um, erode_um : float
        The area is the union of discs of ``reach_um`` around the cells, eroded by ``erode_um``.
    """

    eps_um: float = 20.0
    min_points: int = 10
    min_cells: int = 45
    min_um2: float = 6245.0
    min_contrast: float = 3.0
    reach_um: float = 20.0
    erode_um: float = 10.0


@dataclass(frozen=True)
class Aggregates:
    """Aggregates of one section.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per aggregate (`COLUMNS`), in (y, x) order of their first cell.
    membership : ndarray of int64, shape (n,)
        Aggregate of each cell, a value of ``aggregate_id``, or -1.
    """

    table: pd.DataFrame
    membership: NDArray[np.int64]

    @property
    def area_mm2(self) -> float:
        """Total area."""
        return math.fsum(self.table["area_um2"]) * 1e-6

    @property
    def cells(self) -> int:
        """Cells in aggregates."""
        return int(np.count_nonzero(self.membership >= 0))


def _disc(radius_px: int) -> NDArray[np.uint8]:
    y, x = np.ogrid[-radius_px : radius_px + 1, -radius_px : radius_px + 1]
    return np.asarray(y * y + x * x <= radius_px * radius_px, np.uint8)


def _territory(
    x_um: NDArray[np.float64], y_um: NDArray[np.float64], tissue: Tissue, rules: AggregateRules
) -> tuple[NDArray[np.uint8], int, int]:
    """Raster of one cluster's area clipped to tissue, with the grid column and row of its corner."""
    reach, erode = round(rules.reach_um / GRID_UM), round(rules.erode_um / GRID_UM)
    column, row = (np.floor(v / GRID_UM).astype(np.int64) for v in (x_um, y_um))
    left, top = int(column.min()) - reach - 1, int(row.min()) - reach - 1
    shape = int(row.max()) - top + reach + 2, int(column.max()) - left + reach + 2
    seeds = np.zeros(shape, np.uint8)
    seeds[row - top, column - left] = 1
    area = cv2.erode(
        cv2.dilate(seeds, _disc(reach)), _disc(erode), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    y, x = np.nonzero(area)
    centre_x, centre_y = ((v.astype(np.float64) + 0.5) * GRID_UM for v in (x + left, y + top))
    inside = tissue.contains(centre_x, centre_y)
    area[y[~inside], x[~inside]] = 0
    return area, left, top


def _outline(area: NDArray[np.uint8], left: int, top: int) -> list[float]:
    """Longest outer border of a territory as a flat list of x, y in um."""
    contours, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    longest = max(contours, key=lambda c: (len(c), -int(c[:, 0, 1].min()), -int(c[:, 0, 0].min())))
    corner = np.array([left, top]) + 0.5
    return [float(v) for v in ((longest.reshape(-1, 2) + corner) * GRID_UM).ravel()]


def _candidates(
    x_um: NDArray[np.float64], y_um: NDArray[np.float64], tissue: Tissue, rules: AggregateRules
) -> list[tuple[NDArray[np.intp], float, list[float]]]:
    """Clusters that are large enough: member rows, area in um2, outline."""
    found = []
    for rows in members_of(dbscan(x_um, y_um, rules.eps_um, rules.min_points)):
        if len(rows) < rules.min_cells:
            continue
        area, left, top = _territory(x_um[rows], y_um[rows], tissue, rules)
        area_um2 = int(np.count_nonzero(area)) * GRID_UM**2
        if area_um2 >= rules.min_um2:
            found.append((rows, area_um2, _outline(area, left, top)))
    return found


def find_aggregates(
    x_um: NDArray[np.float64],
    y_um: NDArray[np.float64],
    tissue: Tissue,
    rules: AggregateRules | None = None,
) -> Aggregates:
    """Dense clusters of cells, the same for every order of the rows.

    Clusters come from `dbscan`; one is kept with enough cells, enough area, and a density of at
    least three times that of the tissue outside all large enough clusters. Where less than 0.05 mm2
    of tissue is outside, there is nothing to compare with and the density rule does not apply.

    Parameters
    ----------
    x_um, y_um : ndarray of float64, shape (n,)
        Positive cells.
    tissue : Tissue
        Quantifiable tissue.
    rules : AggregateRules, optional
        Distances and least sizes.

    Returns
    -------
    Aggregates
    """
    rules = rules or AggregateRules()
    x, y = np.asarray(x_um, np.float64), np.asarray(y_um, np.float64)
    found = _candidates(x, y, tissue, rules)
    outside_mm2 = tissue.area_mm2 - sum(area for _, area, _ in found) * 1e-6
    outside = len(x) - sum(len(rows) for rows, _, _ in found)
    background = outside / outside_mm2 if outside_mm2 >= MIN_DIFFUSE_MM2 else 0.0
    membership = np.full(len(x), -1, np.int64)
    table: list[tuple[object, ...]] = []
    for rows, area_um2, outline in found:
        per_mm2 = len(rows) / (area_um2 * 1e-6)
        if per_mm2 < rules.min_contrast * background:
            continue
        membership[rows] = len(table)
        centre = math.fsum(x[rows]) / len(rows), math.fsum(y[rows]) / len(rows)
        table.append((len(table), *centre, len(rows), area_um2, per_mm2, outline))
    return Aggregates(pd.DataFrame(table, columns=list(COLUMNS)), membership)


def aggregate_fraction(aggregates: Aggregates, area_mm2: float) -> Measured:
    """Share of the tissue that aggregates cover, 0 - 1 (formula F5)."""
    if area_mm2 == 0:
        return Measured.missing("NO_TISSUE")
    return Measured(min(1.0, aggregates.area_mm2 / area_mm2))


def diffuse_density(count: int, aggregates: Aggregates, area_mm2: float) -> Measured:
    """Cells outside aggregates per mm2 of tissue outside aggregates (formula F5).

    Parameters
    ----------
    count : int
        All positive cells.
    aggregates : Aggregates
        Their aggregates.
    area_mm2 : float
        Quantifiable tissue.

    Returns
    -------
    Measured
        ``ALL_AGGREGATE`` where less than 0.05 mm2 is left.
    """
    if area_mm2 == 0:
        return Measured.missing("NO_TISSUE")
    left_mm2 = area_mm2 - aggregates.area_mm2
    if left_mm2 < MIN_DIFFUSE_MM2:
        return Measured.missing("ALL_AGGREGATE")
    return Measured((count - aggregates.cells) / left_mm2)
