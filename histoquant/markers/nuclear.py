"""Nuclear markers (Ki67 and the like): the nucleus itself is brown."""

from __future__ import annotations

from histoquant.markers._features import Columns, FloatArray, column
from histoquant.markers.definition import MarkerDefinition

NUCLEAR = MarkerDefinition(
    name="nuclear",
    compartment="nuclear",
    rule="nuclear",
    dab_standard_od=0.43,  # on rendered sections of normal strength
    threshold_od=0.2,
)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """Mean DAB of the nucleus, the measure with the longest record (QuPath's default).

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table.
    definition : MarkerDefinition
        Not used: nothing but the threshold can be set.

    Returns
    -------
    ndarray of float64, shape (n,)
        A cell is positive where this reaches the threshold.
    """
    del definition
    return column(cells, "nucleus_dab_od")
