"""Readouts of counted cells beyond their density: by area, in clusters, in aggregates and outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.metrics.aggregates import Aggregates, aggregate_fraction, diffuse_density
from histoquant.metrics.area import positive_by_area
from histoquant.metrics.by_area import SheetCount, StainedArea, anucleate_objects, count_sheets, one_cell_um2
from histoquant.metrics.clusters import find_clusters
from histoquant.metrics.measured import Measured

FloatArray = NDArray[np.float64]


def cell_area(stained: StainedArea | None, positive: pd.DataFrame, locked_um2: float | None) -> Measured:
    """What one positive cell covers: the batch's locked area, or else the slide's own median."""
    if locked_um2 is not None:
        return Measured(locked_um2)
    return Measured.missing("NOT_COUNTED") if stained is None else one_cell_um2(positive)


def area_columns(
    stained: StainedArea | None, positive: pd.DataFrame, locked_um2: float | None
) -> dict[str, Measured]:
    """Cells by stained area, and brown objects without a nucleus.

    Parameters
    ----------
    stained : StainedArea or None
    positive : pandas.DataFrame
        Positive cells.
    locked_um2 : float or None
        The batch's area of one cell.

    Returns
    -------
    dict of str to Measured
        ``positive_by_area``, ``cell_area_um2``, ``anucleate_objects``.
    """
    one = cell_area(stained, positive, locked_um2)
    if stained is None:
        missing = Measured.missing("NOT_COUNTED")
        return {"positive_by_area": missing, "cell_area_um2": one, "anucleate_objects": missing}
    return {
        "positive_by_area": positive_by_area(stained.area_um2[1], one),
        "cell_area_um2": one,
        "anucleate_objects": anucleate_objects(stained, positive),
    }


def cluster_columns(x_um: FloatArray, y_um: FloatArray) -> dict[str, Measured]:
    """Number of clusters, share of positive cells in them, cells of the largest.

    Parameters
    ----------
    x_um, y_um : ndarray of float64, shape (n,)
        Positive cells.

    Returns
    -------
    dict of str to Measured
        ``clusters``, ``cluster_cells_percent``, ``largest_cluster_cells``.
    """
    found = find_clusters(x_um, y_um)
    inside = int(found["cells"].sum())
    share = Measured(100 * inside / len(x_um)) if len(x_um) else Measured.missing("NO_POSITIVES")
    return {
        "clusters": Measured(len(found)),
        "cluster_cells_percent": share,
        "largest_cluster_cells": Measured(int(found["cells"].max()) if len(found) else 0),
    }


def sheets_of(
    stained: StainedArea, cells: pd.DataFrame | None, positive: pd.DataFrame, locked_um2: float | None
) -> SheetCount | None:
    """Blocks counted by area; None where no area of one cell is known."""
    one = cell_area(stained, positive, locked_um2)
    return None if cells is None or one.value is None else count_sheets(stained, cells, one.value)


def in_aggregates(
    aggregates: Aggregates, positive: pd.DataFrame, sheets: SheetCount | None, stained: StainedArea | None
) -> Aggregates:
    """Aggregates with the cells that area adds to each.

    Parameters
    ----------
    aggregates : Aggregates
    positive : pandas.DataFrame
        The cells the aggregates were found among.
    sheets : SheetCount or None
    stained : StainedArea or None

    Returns
    -------
    Aggregates
        Its table ends in ``cells_by_area``, cells that nuclei did not show, and ``count_mode``. A block
        belongs to the aggregate with most cells in it, the first of equals; one without any, to none.
    """
    table = aggregates.table.copy()
    added = np.zeros(len(table))
    if sheets is not None and stained is not None and len(sheets.block_xy) and len(table):
        inside = np.flatnonzero(aggregates.membership >= 0)
        place = [
            np.floor(positive[axis].to_numpy(np.float64)[inside] / size).astype(np.int64)
            for axis, size in zip(("x_um", "y_um"), stained.block_um, strict=True)
        ]
        where = pd.DataFrame({"x": place[0], "y": place[1], "of": aggregates.membership[inside]})
        most = where.value_counts(["x", "y", "of"]).reset_index(name="n")
        most = most.sort_values(["n", "of"], ascending=[False, True], kind="stable").drop_duplicates(
            ["x", "y"]
        )
        owner = {(int(x), int(y)): int(of) for x, y, of in most[["x", "y", "of"]].to_numpy()}
        for (x, y), excess in zip(sheets.block_xy, sheets.excess, strict=True):
            if (int(x), int(y)) in owner:
                added[owner[int(x), int(y)]] += excess
    table["cells_by_area"] = np.maximum(np.rint(added), 0).astype(np.int64)
    table["count_mode"] = np.where(table["cells_by_area"] > 0, "area", "nuclei")
    return replace(aggregates, table=table)


def aggregate_columns(aggregates: Aggregates, added: int, area_mm2: float) -> dict[str, Measured]:
    """Diffuse cells, and aggregates with what they hold (F5).

    Parameters
    ----------
    aggregates : Aggregates
        From `in_aggregates`.
    added : int
        Cells that area adds on the whole slide.
    area_mm2 : float
        Quantifiable tissue.

    Returns
    -------
    dict of str to Measured
    """
    inside = min(int(aggregates.table["cells_by_area"].sum()), added)
    outside = int(np.count_nonzero(aggregates.membership < 0)) + added - inside
    share = aggregate_fraction(aggregates, area_mm2).value or 0.0
    largest = float(aggregates.table["area_um2"].max()) * 1e-6 if len(aggregates.table) else 0.0
    return {
        "diffuse_per_mm2": diffuse_density(outside + aggregates.cells, aggregates, area_mm2),
        "aggregates": Measured(len(aggregates.table)),
        "aggregate_area_percent": Measured(100 * share),
        "diffuse_positive": Measured(outside),
        "positive_in_aggregates": Measured(aggregates.cells + inside),
        "largest_aggregate_mm2": Measured(largest),
    }
