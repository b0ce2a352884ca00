"""Haematoxylin and eosin: nuclei are found and measured, nothing is positive."""

from __future__ import annotations

import numpy as np

from histoquant.markers._features import Columns, FloatArray, column
from histoquant.markers.definition import MarkerDefinition

HE = MarkerDefinition(
    name="HE",
    stains="H-E",
    compartment="none",
    rule="none",
    nucleus_min_um2=16.0,  # clumps of chromatin in a large pale nucleus are smaller
)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """NaN: there is no marker to be positive for.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table.
    definition : MarkerDefinition

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    del definition
    return np.full(len(column(cells, "nucleus_area_um2")), np.nan)
