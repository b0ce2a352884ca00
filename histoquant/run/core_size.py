"""How large a tile may be: the larger, the less is looked at twice, and the more memory its window takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from histoquant.run.plan import Planned

# Of slides up to so many pixels of the working plane (70 mm2), and of larger ones, whose maps leave less of
# 800 MB. What a segmenter takes beside its window nobody knows.
_MIDDLING_SLIDE_PX: Final = 280_000_000
_CORE_PX: Final = 3456
_OF_LARGE_PX: Final = 2880
_OF_SEGMENTER_PX: Final = 2880


def largest_core_px(planned: Planned) -> int:
    """Edge of the core with the largest window that a process of 800 MB has room for.

    A pixel of a window takes up to 21 bytes while nuclei are sought. Whoever shares out a slide's tiles must
    come to the same, and so must a run that goes on: nothing but the plan decides.

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
    width_px, height_px = planned.plan.plane_size_px
    return _CORE_PX if width_px * height_px <= _MIDDLING_SLIDE_PX else _OF_LARGE_PX
