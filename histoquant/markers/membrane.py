"""Membrane markers: a brown ring around the nucleus."""

from __future__ import annotations

from histoquant.markers._features import Columns, FloatArray, surrounded_by
from histoquant.markers.definition import SPATIAL_READOUTS, MarkerDefinition

MEMBRANE = MarkerDefinition(
    name="membrane",
    compartment="membrane",
    rule="membrane",
    dab_standard_od=0.36,  # as for CD20
    threshold_od=0.2,
    readouts=SPATIAL_READOUTS,
)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """DAB on most sides of the nucleus: a ring, wherever exactly the nucleus was outlined.

    A stained neighbour raises the directions in which it touches, but not most of them.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table.
    definition : MarkerDefinition

    Returns
    -------
    ndarray of float64, shape (n,)
        A cell is positive where this reaches the threshold.
    """
    del definition
    return surrounded_by(cells)
