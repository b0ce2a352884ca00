"""One slide in memory: the same numbers as ``histoquant run``, for analysis code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.markers.definition import MarkerDefinition
from histoquant.run.assemble import SlideResult, assemble
from histoquant.run.job import RunParameters
from histoquant.run.options import marker_with
from histoquant.run.pictures import overlay_rgb
from histoquant.run.plan import Planned, plan_of
from histoquant.run.tile import batches_of, quantify_tile, sum_tiles
from histoquant.slides import Slide, working_plane


@dataclass(frozen=True)
class Quantified:
    """What one slide yields.

    Attributes
    ----------
    metrics : mapping
        The slide's columns of ``slides.csv``; None where not measured.
    cells, vessels, aggregates : pandas.DataFrame
        Objects, in level-0 pixels and micrometres from the level-0 corner; empty where the marker has none.
    flags : tuple of str
        Reason codes of everything that limits the numbers.
    """

    metrics: Mapping[str, Any]
    cells: pd.DataFrame
    vessels: pd.DataFrame
    aggregates: pd.DataFrame
    flags: tuple[str, ...]
    _slide: Slide
    _planned: Planned
    _result: SlideResult

    def overlay(self) -> NDArray[np.uint8]:
        """Picture of the slide with everything that was counted, uint8 RGB, shape (height, width, 3)."""
        plane = working_plane(self._slide, self._planned.plan.plane_mpp)
        return overlay_rgb(self._slide, plane, self._planned, self._result, self._slide.name)


def quantify(
    slide: Slide, marker: str | MarkerDefinition, *, parameters: RunParameters | None = None
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

    Returns
    -------
    Quantified

    Raises
    ------
    SlideError
        If the slide cannot be quantified, for example without tissue.
    UsageError
        If no marker has this name.
    """
    parameters = parameters or RunParameters()
    definition = marker_with(marker, {}) if isinstance(marker, str) else marker
    planned = plan_of(slide, definition, parameters.working_mpp_um)
    plane = working_plane(slide, parameters.working_mpp_um)
    batches = [
        sum_tiles([quantify_tile(plane, tile, planned) for tile in tiles])
        for tiles in batches_of(planned, parameters)
    ]
    result = assemble(planned, batches, slide.name)
    flags = tuple(dict.fromkeys((*planned.plan.flags, *result.flags)))
    return Quantified(
        result.metrics, result.cells, result.vessels, result.aggregates, flags, slide, planned, result
    )
