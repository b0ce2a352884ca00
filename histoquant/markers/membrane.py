"""Membrane markers: a brown ring around the nucleus."""

from __future__ import annotations

from histoquant.markers._features import Columns, FloatArray, column
from histoquant.markers.definition import MarkerDefinition

MEMBRANE = MarkerDefinition(name="membrane", compartment="membrane", rule="membrane", threshold_od=0.2)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """DAB that enough directions around the nucleus reach.

    A direction is as brown as the brownest of three shells across the edge of the nucleus, so that it
    does not matter on which side of the membrane the nucleus was outlined. A stained neighbour raises the
    directions in which it touches, but not half of them.

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
    return column(cells, "around_dab_p50_od")
