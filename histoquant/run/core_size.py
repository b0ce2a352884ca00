"""How large a tile may be: the larger, the less is looked at twice, and the more memory its window takes."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from histoquant.markers.cd31 import VesselMarkerDefinition
from histoquant.objects.nuclei_params import NucleiParams

if TYPE_CHECKING:
    from histoquant.run.plan import Planned

# Of slides up to so many pixels of the working plane (70 and 300 mm2), and of larger ones: maps leave less of
# 800 MB, and gaps grow from tile to tile; smaller ones of markers that search more than nuclei.
_SLIDES_PX: Final = (280_000_000, 1_200_000_000)
_CORES_PX: Final = (4096, 3456, 3072)
_CORES_OF_MORE_PX: Final = (3456, 2880, 2880)
# What it takes beside its window nobody knows.
_OF_SEGMENTER_PX: Final = 2880


def largest_core_px(planned: Planned) -> int:
    """Edge of the core with the largest window that a process of 800 MB has room for.

    A pixel of a window takes up to 18 bytes while nuclei are sought, 21 where brown bodies are, too, and
    vessels have windows of their own. Whoever shares out a slide's tiles must come to the same, and so must a
    run that goes on: nothing but the plan decides.

    Parameters
    ----------
    planned : Planned
        Plan and maps of one slide.

    Returns
    -------
    int
    """
    if planned.segmenter is not None:
        return _OF_SEGMENTER_PX
    plan = planned.plan
    more = (
        isinstance(plan.marker, VesselMarkerDefinition) or NucleiParams.of_marker(plan.marker).body_length_um
    )
    width_px, height_px = plan.plane_size_px
    return (_CORES_OF_MORE_PX if more else _CORES_PX)[bisect_left(_SLIDES_PX, width_px * height_px)]
