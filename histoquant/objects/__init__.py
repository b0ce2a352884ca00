"""Nuclei, cells and vessels: arrays in, tables out; no files, no scheduler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from histoquant.faces import face_of

if TYPE_CHECKING:
    from histoquant.objects.caps import is_cap, nuclear_content
    from histoquant.objects.countable import is_countable, is_fragment
    from histoquant.objects.measure import cell_surroundings, measure_cells
    from histoquant.objects.nuclei import Nuclei, cell_support_px, nuclei_halo_px, segment_nuclei
    from histoquant.objects.nuclei_params import NucleiParams
    from histoquant.objects.planes import Planes
    from histoquant.objects.tracing import Outlines, outlines, outlines_of
    from histoquant.objects.vessels import (
        VesselCore,
        VesselResult,
        find_vessels,
        vessels_cap_halo_px,
        vessels_halo_px,
    )
    from histoquant.objects.vessels_grow import find_whole_vessels
    from histoquant.objects.vessels_params import VesselParams
else:
    __getattr__, __dir__ = face_of(
        __name__,
        {
            "caps": "is_cap nuclear_content",
            "countable": "is_countable is_fragment",
            "measure": "cell_surroundings measure_cells",
            "nuclei": "Nuclei cell_support_px nuclei_halo_px segment_nuclei",
            "nuclei_params": "NucleiParams",
            "planes": "Planes",
            "tracing": "Outlines outlines outlines_of",
            "vessels": "VesselCore VesselResult find_vessels vessels_cap_halo_px vessels_halo_px",
            "vessels_params": "VesselParams",
            "vessels_grow": "find_whole_vessels",
        },
    )

__all__ = [
    "Nuclei",
    "NucleiParams",
    "Outlines",
    "Planes",
    "VesselCore",
    "VesselParams",
    "VesselResult",
    "cell_support_px",
    "cell_surroundings",
    "find_vessels",
    "find_whole_vessels",
    "is_cap",
    "is_countable",
    "is_fragment",
    "measure_cells",
    "nuclear_content",
    "nuclei_halo_px",
    "outlines",
    "outlines_of",
    "segment_nuclei",
    "vessels_cap_halo_px",
    "vessels_halo_px",
]
