"""What a person drew beside a slide, on the slide's own map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoquant.errors import SlideRefusedError, StudyError
from histoquant.run.plan import Planned
from histoquant.study.annotations import RegionRole, read_regions, region_mask


def with_regions(planned: Planned, annotations: Path | None) -> Planned:
    """A plan with the regions drawn on its slide: where to count, and the lumen that distances start from.

    White point, vectors and threshold stay those of the whole slide: a drawing decides where is
    counted, not how.

    Parameters
    ----------
    planned : Planned
        Of the slide.
    annotations : Path or None
        GeoJSON drawn on the slide.

    Returns
    -------
    Planned
        As it was where nothing that is drawn has a role.

    Raises
    ------
    SlideRefusedError
        With code ``ANNOTATIONS`` when the file cannot be read: numbers from the wrong place would be worse.
        With code ``NO_TISSUE`` when the regions leave no tissue to count in.
    """
    if annotations is None:
        return planned
    try:
        regions = read_regions(annotations)
    except StudyError as error:
        raise SlideRefusedError("ANNOTATIONS", str(error)) from error
    tissue = planned.tissue
    pixel_px = (
        planned.plan.plane_factor_xy[0] * tissue.scale_px,
        planned.plan.plane_factor_xy[1] * tissue.scale_px,
    )

    def drawn(role: RegionRole) -> NDArray[np.bool_]:
        return region_mask(regions, role, tissue.tissue.shape, pixel_px)

    left_out = drawn("exclude")
    if any(region.role == "include" for region in regions):
        left_out |= ~drawn("include")
    tissue = tissue.without(left_out)
    if not tissue.quantifiable.any():
        raise SlideRefusedError(
            "NO_TISSUE",
            f"{annotations.name}: its include and exclude regions leave no tissue. "
            "Check that they were drawn on this slide, in level-0 pixels.",
        )
    lumen = drawn("lumen")
    return planned.model_copy(update={"tissue": tissue, "lumen": lumen if lumen.any() else None})
