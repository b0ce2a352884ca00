"""Nuclear markers (Ki67 and the like): the nucleus itself is brown."""

from __future__ import annotations

import numpy as np

from histoquant.markers._features import Columns, FloatArray, column
from histoquant.markers.definition import SPATIAL_READOUTS, MarkerDefinition

# A dark blue nucleus keeps up to 0.2 of its haematoxylin as DAB where the slide's vectors are a few degrees
# off (blue nuclei of rendered sections: 0.06, 99 % below 0.25); below 0.3 of it brown is not told from blue.
BLUE_SHARE = 0.3

NUCLEAR = MarkerDefinition(
    name="nuclear",
    compartment="nuclear",
    rule="nuclear",
    dab_standard_od=0.43,  # on rendered sections of normal strength
    # a third of the usual strength: any definite brown counts, however weak beside the strongest (Nielsen et
    # al., J Natl Cancer Inst 2021;113:808). At 0.2 one of three positives of rendered sections stayed
    # negative; from about 0.12 down, grey nuclei of a real section turn positive.
    threshold_od=0.14,
    readouts=SPATIAL_READOUTS,
)
"""Built-in definition."""


def stain_od(cells: Columns, definition: MarkerDefinition) -> FloatArray:
    """Mean DAB of the nucleus, less where it is weak beside the nucleus's own haematoxylin.

    ``DAB * min(1, DAB / (0.3 H))`` with mean densities of the nucleus: the plain mean (QuPath's default) for
    everything brown, less where the little DAB may be what unmixing leaves of dark blue.

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
    brown = column(cells, "nucleus_dab_od")
    blue = BLUE_SHARE * column(cells, "hematoxylin_od")
    with np.errstate(invalid="ignore"):
        trust = np.divide(np.maximum(brown, 0.0), blue, out=np.ones(brown.shape), where=blue > brown)
    return np.asarray(brown * np.where(blue > 0.0, trust, 1.0), dtype=np.float64)
