"""Membrane markers: a brown ring around the nucleus."""

from __future__ import annotations

import numpy as np

from histoquant.markers._features import Columns, FloatArray, column
from histoquant.markers.definition import SPATIAL_READOUTS, MarkerDefinition

# A ring is even: what three quarters of the directions reach is little less than what half of them reach. On
# sections of known content this shuts out a third of the cells that lean on stained neighbours.
_EVEN = 1.3
# Of a dark blue nucleus unmixing leaves some in DAB, the more the farther the vectors are off.
_BLUE_LEFT = 0.1
# A ring around a nucleus 1.8 times as dark reads its own density: what is taken off for blue is given back.
_GIVEN_BACK = 1.0 / (1.0 - 1.8 * _BLUE_LEFT)

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
    """DAB on nearly all sides of the nucleus: a ring, wherever exactly the nucleus was outlined.

    ``(min(half, 1.3 most) - 0.1 blue) / 0.82``, with what half and what three quarters of the directions
    around the nucleus reach, and the nucleus's haematoxylin. A stained neighbour raises the directions in
    which it touches, but not nearly all of them; haze and neighbours on two sides are told from a ring by
    the least brown quarter.

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
    half, most = column(cells, "around_dab_p50_od"), column(cells, "around_dab_p25_od")
    ring = np.minimum(half, _EVEN * most) - _BLUE_LEFT * column(cells, "hematoxylin_od")
    return np.asarray(_GIVEN_BACK * ring, dtype=np.float64)
