"""CD68: granular cytoplasm of irregular outline around a nucleus."""

from __future__ import annotations

from histoquant.markers._features import Columns, FloatArray, surrounded_by
from histoquant.markers.definition import SPATIAL_READOUTS, MarkerDefinition

CD68 = MarkerDefinition(
    name="CD68",
    compartment="cytoplasmic",
    rule="cd68",
    dab_standard_od=0.5,  # on rendered sections of normal strength
    threshold_od=0.2,
    cytoplasm_um=6.0,  # a macrophage of 15 - 25 um reaches 4 - 8 um beyond its nucleus
    readouts=(
        "positive_by_area",
        "clusters",
        "cell_area_um2",
        "anucleate_objects",
        "cluster_cells_percent",
        "largest_cluster_cells",
        *SPATIAL_READOUTS,
    ),
)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """DAB on most sides of the nucleus.

    Granules leave gaps, so means over directions rather than pixels are asked; stain belongs to the
    nucleus it surrounds, so a lymphocyte that touches a macrophage, brown on one side, stays negative.

    Parameters
    ----------
    cells : mapping of str to array_like
        Cell table.
    definition : MarkerDefinition
        Not used: nothing but the threshold can be set.

    Returns
    -------
    ndarray of float64, shape (n,)
        A cell is positive where this reaches the threshold; NaN where neighbours leave no room.
    """
    del definition
    return surrounded_by(cells)
