"""One slide in memory: the same numbers as ``histoquant run``, for analysis code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.calibration import Calibration
from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.segmenter import Segmenter
from histoquant.run.assemble import SlideResult, assemble
from histoquant.run.intake import read_fitting_calibration
from histoquant.run.options import marker_with
from histoquant.run.parameters import RunParameters
from histoquant.run.pictures import overlay_rgb
from histoquant.run.plan import Planned, plan_of
from histoquant.run.regions import with_regions
from histoquant.run.tile import batches_of, quantify_tile, sum_tiles
from histoquant.slides import Slide, working_plane
from histoquant.study.annotations import annotation_file


@dataclass(frozen=True)
class Quantified:
    """What one slide yields.

    Attributes
    ----------
    metrics : mapping
        The slide's columns of ``slides.csv`` that are of its pixels and its plan; None where not measured.
    cells, vessels, aggregates : pandas.DataFrame
        Objects, in level-0 pixels and micrometres from the level-0 corner; empty where the marker has none.
    flags : tuple of str
        Reason codes of everything that limits the numbers.
    bands : pandas.DataFrame
        Density by distance from the annotated lumen, or from the edge of the tissue.
    """

    metrics: Mapping[str, Any]
    cells: pd.DataFrame
    vessels: pd.DataFrame
    aggregates: pd.DataFrame
    flags: tuple[str, ...]
    bands: pd.DataFrame
    _slide: Slide
    _planned: Planned
    _result: SlideResult

    def overlay(self) -> NDArray[np.uint8]:
        """Picture of the slide with everything that was counted, uint8 RGB, shape (height, width, 3)."""
        plane = working_plane(self._slide, self._planned.plan.plane_mpp)
        return overlay_rgb(self._slide, plane, self._planned, self._result, self._slide.name)


def quantify(
    slide: Slide,
    marker: str | MarkerDefinition,
    *,
    parameters: RunParameters | None = None,
    calibration: Calibration | Path | str | None = None,
    batch: str | None = None,
    segmenter: Segmenter | None = None,
) -> Quantified:
    """Quantify one open slide in this process.

    Parameters
    ----------
    slide : Slide
        From `histoquant.open_slide`.
    marker : str or MarkerDefinition
        A built-in marker's name, or a definition of your own.
    parameters : RunParameters, optional
        Working resolution and tile size.
    calibration : Calibration or path, optional
        From ``histoquant calibrate``. A marker without a lock in it is read by itself and flagged
        ``NOT_CALIBRATED``.
    batch : str, optional
        The slide's staining batch; without a lock of its own it takes the marker's batch ``default``.

    segmenter : Segmenter, optional
        Finds the nuclei in place of the library's own search, see `histoquant.objects.segmenter`.

    Returns
    -------
    Quantified

    Raises
    ------
    SlideError
        If the slide cannot be quantified, for example without tissue.
    UsageError
        If no marker has this name, or the calibration file is wrong or of another resolution.
    """
    parameters = parameters or RunParameters()
    definition = marker_with(marker, {}) if isinstance(marker, str) else marker
    if isinstance(calibration, str | Path):
        calibration = read_fitting_calibration(Path(calibration), parameters, {})
    stained = calibration is not None and definition.stains == "H-DAB"
    lock = calibration.lock_for(definition.name, batch) if calibration is not None and stained else None
    locked = lock.settings() if lock is not None else None
    planned = plan_of(slide, definition, parameters.working_mpp_um, locked)
    planned = with_regions(planned, annotation_file(slide.path))
    if segmenter is not None:
        planned = planned.searched_by(segmenter, type(segmenter).__name__)
    plane = working_plane(slide, parameters.working_mpp_um)
    batches = [
        sum_tiles([quantify_tile(plane, tile, planned) for tile in tiles])
        for tiles in batches_of(planned, parameters)
    ]
    result = assemble(planned, batches, slide.name)
    uncalibrated = ("NOT_CALIBRATED",) if stained and lock is None else ()
    flags = tuple(dict.fromkeys((*planned.plan.flags, *result.flags, *uncalibrated)))
    return Quantified(
        {**planned.plan.stated(), **result.metrics},
        result.cells,
        result.vessels,
        result.aggregates,
        flags,
        result.bands,
        slide,
        planned,
        result,
    )
