"""Clusters of CD68+ cells: collections of touching macrophages, candidates for granulomas."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.metrics.clustering import dbscan, members_of

EPS_UM = 20.0
"""Centres of two touching macrophages (profiles of 12 - 20 um) lie within this distance."""
MIN_POINTS = 5
"""Five cells within reach of each other: the least collection called a granuloma; at 1,000 cells/mm2
at random a disc of 20 um holds 1.3."""
MIN_CELLS = 10
"""Smaller collections arise by chance at the densities of an inflamed tract."""


def find_clusters(x_um: NDArray[np.float64], y_um: NDArray[np.float64]) -> pd.DataFrame:
    """Clusters of positive cells, the same for every order of the rows.

    Parameters
    ----------
    x_um, y_um : ndarray of float64, shape (n,)
        Positive cells.

    Returns
    -------
    pandas.DataFrame
        ``cluster_id, x_um, y_um, cells``, in (y, x) order of their first core cell.
    """
    x, y = np.asarray(x_um, np.float64), np.asarray(y_um, np.float64)
    labels = dbscan(x, y, EPS_UM, MIN_POINTS)
    rows: list[tuple[int, float, float, int]] = []
    for member in members_of(labels):
        n = len(member)
        if n >= MIN_CELLS:
            rows.append((len(rows), math.fsum(x[member]) / n, math.fsum(y[member]) / n, n))
    return pd.DataFrame(rows, columns=["cluster_id", "x_um", "y_um", "cells"])
