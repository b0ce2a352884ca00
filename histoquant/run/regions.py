"""What a person drew beside a slide, on the slide's own map."""

from __future__ import annotations

from pathlib import Path

from histoquant.errors import SlideRefusedError, StudyError
from histoquant.run.plan import Planned
from histoquant.study.annotations import lumen_mask, read_regions


def with_lumen(planned: Planned, annotations: Path | None) -> Planned:
    """A plan with the annotated lumen of the tract, from which distance bands are then measured.

    Parameters
    ----------
    planned : Planned
        Of the slide.
    annotations : Path or None
        GeoJSON drawn on the slide.

    Returns
    -------
    Planned
        As it was where nothing is annotated as lumen.

    Raises
    ------
    SlideRefusedError
        With code ``ANNOTATIONS`` when the file cannot be read: bands from the wrong place would be worse.
    """
    if annotations is None:
        return planned
    try:
        regions = read_regions(annotations)
    except StudyError as error:
        raise SlideRefusedError("ANNOTATIONS", str(error)) from error
    tissue = planned.tissue
    rows, columns = tissue.tissue.shape
    x_px, y_px = (factor * tissue.scale_px for factor in planned.plan.plane_factor_xy)
    mask = lumen_mask(regions, (rows, columns), (x_px, y_px))
    return planned.model_copy(update={"lumen": mask}) if mask.any() else planned
