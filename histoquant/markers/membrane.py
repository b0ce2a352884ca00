"""Membrane markers: a brown ring around the nucleus."""

from __future__ import annotations

import numpy as np

from histoquant.markers._features import Columns, FloatArray, column, exceeded_by
from histoquant.markers.definition import MarkerDefinition

MEMBRANE = MarkerDefinition(name="membrane", compartment="membrane", rule="membrane", threshold_od=0.2)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """DAB that enough of the ring reaches, in enough directions.

    The smaller of two numbers: what at least ``min_stained_fraction`` of the ring's pixels reach, and the
    median over eight directions around the nucleus. A stained neighbour raises the first where it
    touches, but not half of all directions.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table.
    definition : MarkerDefinition

    Returns
    -------
    ndarray of float64, shape (n,)
        A cell is positive where this reaches the threshold; NaN where neighbours leave no ring.
    """
    ring = exceeded_by(cells, "ring", definition.min_stained_fraction)
    return np.asarray(np.minimum(ring, column(cells, "around_dab_p50_od")), dtype=np.float64)
