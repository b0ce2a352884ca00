"""CD163: membrane and cytoplasm of macrophages, smoother than CD68's granules."""

from __future__ import annotations

import numpy as np

from histoquant.markers import MarkerDefinition

DEFINITION = MarkerDefinition(
    name="CD163",
    compartment="cytoplasmic",
    rule="cd163",
    threshold_od=0.2,
    cytoplasm_um=6.0,  # a macrophage reaches 4 to 8 um beyond its nucleus
)


def stain_od(cells, definition):
    """DAB that half of the cytoplasm reaches, where half of the directions around the nucleus show it too.

    Asking both keeps out a lymphocyte that leans on a macrophage: it is brown on one side only.
    """
    cytoplasm = np.asarray(cells["cytoplasm_dab_p50_od"], np.float64)
    around = np.asarray(cells["around_dab_p50_od"], np.float64)
    return np.minimum(cytoplasm, around)


CD163 = (DEFINITION, stain_od)
