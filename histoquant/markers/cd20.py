"""CD20: a membrane ring around a small round nucleus, or sheets in which whole cells are brown."""

from __future__ import annotations

from histoquant.markers._features import Columns, FloatArray
from histoquant.markers.definition import MarkerDefinition
from histoquant.markers.membrane import stain_od as membrane_od

CD20 = MarkerDefinition(
    name="CD20",
    compartment="membrane",
    rule="cd20",
    dab_standard_od=0.36,  # on rendered sections of normal strength
    threshold_od=0.15,  # rings are thinner than the optics, so half of a ring reads less than its wall
    cytoplasm_um=4.0,  # a lymphocyte's cytoplasm ends there; beyond is the next cell of the sheet
    readouts=(
        "diffuse_per_mm2",
        "aggregates",
        "aggregate_area_percent",
        "diffuse_positive",
        "positive_in_aggregates",
        "largest_aggregate_mm2",
        "count_mode",
        "positive_by_nuclei",
        "positive_by_area",
        "cell_area_um2",
        "hotspot_per_mm2",
        "hotspot_three_per_mm2",
        "hotspot_p",
        "hotspot_field_mm2",
        "hotspot_fields",
        "hotspot_fields_eligible",
        "nearest_median_um",
        "nearest_ratio",
    ),
)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """As for membranes.

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
    return membrane_od(cells, definition)
