"""What the vessel metrics need beside the vessel table: hotspot rules, outlines for a Chalkley count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from histoquant.markers.cd31 import VesselMarkerDefinition
from histoquant.metrics.hotspot import HotspotRules
from histoquant.metrics.vessels import true_vessels
from histoquant.run.plan import SlidePlan


def vascular_inputs(plan: SlidePlan, vessels: pd.DataFrame) -> dict[str, Any]:
    """Fields of `SlideInputs` that a vessel marker's settings decide; none for another marker."""
    marker = plan.marker
    if not isinstance(marker, VesselMarkerDefinition):
        return {}
    rules = HotspotRules(disc_mm2=marker.hotspot_field_mm2, fields=marker.hotspot_fields)
    if not marker.chalkley:
        return {"hotspot_rules": rules}
    # (0, 0) px is the centre of the first pixel, (0, 0) um its corner
    profiles = tuple(
        (np.asarray(flat, np.float64).reshape(-1, 2) + 0.5) * np.array(plan.mpp_xy)
        for flat in true_vessels(vessels)["outer_xy_px"]
    )
    return {"hotspot_rules": rules, "chalkley_profiles_um": profiles}
