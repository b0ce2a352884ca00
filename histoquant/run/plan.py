"""The plan of a slide: everything decided once for the whole slide, before any tile is segmented."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, model_validator

from histoquant._version import __version__
from histoquant.errors import SlideRefusedError
from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.segmenter import NOT_EXACT, Segmenter
from histoquant.run.heap import give_back_maps, trim_maps
from histoquant.run.slide_stains import read_stains
from histoquant.run.source import SourceFacts
from histoquant.slides import Plane, Slide, working_plane
from histoquant.stains import StainSettings, StainVectors, white_point
from histoquant.stains.settings import ThresholdSource
from histoquant.stains.uneven import HazeMap
from histoquant.tiling.preview import Preview
from histoquant.tiling.survey import survey
from histoquant.tiling.tissue_map import TissueMap, map_tissue


class SlidePlan(BaseModel):
    """Frozen decisions about one slide; no result depends on anything that is not in here or in the pixels.

    Lengths are in working-plane pixels unless the name says otherwise. The stains' fields are those of
    `StainSettings`. ``marker`` carries the slide's threshold, so that whatever is given the plan's marker
    reads the slide with it. ``background_sha256`` is the digest of the haze that is taken off; empty where
    none is. ``segmenter`` names the plug-in that finds the nuclei; empty for the library's own search.
    """

    model_config = ConfigDict(frozen=True)

    version: str = __version__
    reader: str
    size_px: tuple[int, int]
    mpp_xy: tuple[float, float]
    mpp_source: str
    plane_size_px: tuple[int, int]
    plane_mpp_xy: tuple[float, float]
    plane_factor_xy: tuple[float, float]
    marker: MarkerDefinition
    white_point: tuple[float, float, float]
    white_point_source: str
    stain_names: tuple[str, str, str]
    stain_matrix: tuple[tuple[float, float, float], ...]
    stain_source: str
    stain_reason: str
    stain_diagnostics: dict[str, float]
    hematoxylin_strength_od: float | None = None
    dab_strength_od: float | None = None
    dab_background_od: float = 0.0
    strength_reason: str = ""
    strength_diagnostics: dict[str, float] = {}
    background_reason: str = ""
    background_diagnostics: dict[str, float] = {}
    background_sha256: str = ""
    search_gain: int = 1024
    threshold_od: float
    threshold_source: ThresholdSource = "default"
    threshold_reason: str = ""
    flags: tuple[str, ...]
    segmenter: str = ""
    source: SourceFacts = SourceFacts()

    @model_validator(mode="before")
    @classmethod
    def _marker_reads_with_the_threshold(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("marker"), MarkerDefinition):
            read = data["marker"].model_copy(update={"threshold_od": data["threshold_od"]})
            return {**data, "marker": read}
        return data

    @property
    def vectors(self) -> StainVectors:
        """The stain vectors as unmixing takes them."""
        return StainVectors(np.array(self.stain_matrix), self.stain_names)

    @property
    def plane_mpp(self) -> float:
        """Mean um/px of the working plane."""
        return (self.plane_mpp_xy[0] + self.plane_mpp_xy[1]) / 2

    def stated(self) -> dict[str, Any]:
        """What the plan says in the slide's row: marker, resolution, threshold, stain vectors."""
        stained = self.marker.stains == "H-DAB"
        return {
            "marker": self.marker.name,
            "mpp": (self.mpp_xy[0] + self.mpp_xy[1]) / 2,
            "mpp_source": self.mpp_source,
            "dab_threshold_od": self.threshold_od if stained else None,
            "threshold_source": self.threshold_source if stained else None,
            "stain_source": self.stain_source,
        }

    @property
    def unstained_od(self) -> float:
        """DAB that unstained tissue hardly reaches under clouds of haze; 0 on a slide without them.

        Its background and three times the spread of that.
        """
        told = self.strength_diagnostics if self.background_sha256 else {}
        return told.get("dab_background_od", 0.0) + 3 * told.get("dab_background_spread_od", 0.0)


class Planned(BaseModel):
    """A plan with the maps it was made from.

    ``lumen`` is the annotated lumen (bool map) where there is one, ``haze`` what is taken off the slide's DAB
    where its background is uneven, ``segmenter`` the plug-in that finds nuclei where one was chosen,
    ``preview`` the plane shrunk, there when the slide was just surveyed.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    plan: SlidePlan
    tissue: TissueMap
    lumen: Any = None
    haze: HazeMap | None = None
    segmenter: Any = None
    preview: Preview | None = None

    def searched_by(self, segmenter: Segmenter, identity: str) -> Planned:
        """The same plan with nuclei found by a plug-in; flagged where its answer depends on the tiling."""
        flags = self.plan.flags if segmenter.exact else (*self.plan.flags, NOT_EXACT)
        plan = self.plan.model_copy(update={"segmenter": identity, "flags": flags})
        return self.model_copy(update={"plan": plan, "segmenter": segmenter})


def plan_of(
    slide: Slide,
    marker: MarkerDefinition,
    working_mpp_um: float,
    locked: StainSettings | None = None,
    plane: Plane | None = None,
) -> Planned:
    """Survey a slide and fix its white point, stain vectors and threshold.

    Parameters
    ----------
    slide : Slide
        Open slide.
    marker : MarkerDefinition
        What is to be counted.
    working_mpp_um : float
        Resolution of analysis in um/px.
    locked : StainSettings, optional
        Of a calibration; goes before anything the slide itself says about its stains.
    plane : Plane, optional
        The slide's working plane, where it is read in a way of its own.

    Returns
    -------
    Planned

    Raises
    ------
    SlideRefusedError
        With code ``NO_TISSUE`` when the slide shows no tissue.
    """
    plane = plane or working_plane(slide, working_mpp_um)
    surveyed = survey(plane)
    # decoded tiles and windows: maps are not to come on top of them
    slide.forget_rest()
    give_back_maps(plane.size_px)
    white = white_point(surveyed)
    trim_maps(plane.size_px)
    tissue = map_tissue(surveyed, white, dab=marker.stains == "H-DAB")
    trim_maps(plane.size_px)
    if not tissue.quantifiable.any():
        raise SlideRefusedError(
            "NO_TISSUE",
            f"{slide.path.name}: no tissue that can be quantified ({tissue.excluded_mm2:.3f} mm2 excluded as "
            "artefact). Check that the slide is stained and in focus; an empty result is not a zero.",
        )
    stains = read_stains(plane, surveyed, tissue, white, marker, locked)
    plan = SlidePlan(
        reader=slide.reader,
        size_px=slide.size_px,
        mpp_xy=slide.mpp_xy,
        mpp_source=slide.mpp_source,
        plane_size_px=plane.size_px,
        plane_mpp_xy=plane.mpp_xy,
        plane_factor_xy=plane.factor_xy,
        marker=marker,
        white_point=white.rgb,
        white_point_source=white.source,
        flags=(*slide.flags, *white.flags, *stains.flags),
        **stains.stated(),
    )
    return Planned(plan=plan, tissue=tissue, preview=surveyed.preview, haze=stains.uneven.haze)
