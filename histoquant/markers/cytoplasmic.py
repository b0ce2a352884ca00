"""Cytoplasmic markers: brown beside the nucleus, within the cell's own territory."""

from __future__ import annotations

import numpy as np

from histoquant.markers._features import Columns, FloatArray, exceeded_by, surrounded_by
from histoquant.markers.definition import SPATIAL_READOUTS, MarkerDefinition

CYTOPLASMIC = MarkerDefinition(
    name="cytoplasmic",
    compartment="cytoplasmic",
    rule="cytoplasmic",
    dab_standard_od=0.5,  # as for CD68
    threshold_od=0.2,
    cytoplasm_um=3.0,
    readouts=SPATIAL_READOUTS,
)
"""Built-in definition; within 3 um lies cytoplasm, within 5 um of a lymphocyte the next cell."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """DAB that enough of the cytoplasm reaches, in enough directions.

    The smaller of two numbers: what at least ``min_stained_fraction`` of the cytoplasm's pixels reach, and
    what most directions around the nucleus reach.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table.
    definition : MarkerDefinition

    Returns
    -------
    ndarray of float64, shape (n,)
        A cell is positive where this reaches the threshold; NaN where neighbours leave no cytoplasm.
    """
    cytoplasm = exceeded_by(cells, "cytoplasm", definition.min_stained_fraction)
    return np.asarray(np.minimum(cytoplasm, surrounded_by(cells)), dtype=np.float64)
