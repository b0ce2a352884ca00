"""What a slide says about its own stains, and what of it holds: its own, or a calibration's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from histoquant.markers.definition import MarkerDefinition
from histoquant.slides import Plane
from histoquant.stains import (
    H_DAB,
    H_E,
    StainEstimate,
    StainSettings,
    StainVectors,
    WhitePoint,
    sample_blocks,
    slide_vectors,
)
from histoquant.stains.estimate import MIN_PURITY, PURITY_BESIDE_NUCLEI
from histoquant.stains.foreign import colour_flags
from histoquant.stains.sampled_plane import SampledPlane
from histoquant.stains.sampling import BLOCK_PX
from histoquant.stains.settings import rows_of, search_gain
from histoquant.stains.strength import StainStrength, halo_px, strength_histogram, strength_of
from histoquant.stains.threshold import (
    CELL_SPREADS,
    NUCLEUS_SPREADS,
    PIXEL_SPREADS,
    Threshold,
    slide_threshold,
)
from histoquant.stains.uneven import UNEVEN_BACKGROUND, Unevenness, find_unevenness
from histoquant.tiling.survey import Survey
from histoquant.tiling.tissue_map import TissueMap

_SPREADS = {"nuclear": NUCLEUS_SPREADS, "endothelial": PIXEL_SPREADS}
_BESIDE_NUCLEI = ("cytoplasmic", "endothelial")


@dataclass(frozen=True)
class SlideStains:
    """How a slide is stained, and how it is to be read.

    Attributes
    ----------
    settings : StainSettings
        What holds: the calibration's where it locks this slide, or else the slide's own.
    flags : tuple of str
        What is doubtful about the stains.
    estimate : StainEstimate
        The slide's own vectors.
    strength : StainStrength
        Of both stains, without haze where the background is uneven.
    uneven : Unevenness
        The background.
    """

    settings: StainSettings
    flags: tuple[str, ...]
    estimate: StainEstimate
    strength: StainStrength
    uneven: Unevenness

    def stated(self) -> dict[str, Any]:
        """The stains' fields of the plan."""
        held, haze = self.settings, self.uneven.haze
        return {
            "stain_names": held.stain_names,
            "stain_matrix": held.stain_matrix,
            "stain_source": held.vectors_source,
            "stain_reason": held.vectors_reason,
            "stain_diagnostics": self.estimate.diagnostics,
            "hematoxylin_strength_od": held.hematoxylin_strength_od,
            "dab_strength_od": held.dab_strength_od,
            "dab_background_od": held.dab_background_od,
            "strength_reason": held.strength_reason,
            "strength_diagnostics": self.strength.diagnostics,
            "background_reason": self.uneven.reason,
            "background_diagnostics": self.uneven.diagnostics,
            "background_sha256": "" if haze is None else haze.digest(),
            "search_gain": search_gain(held.hematoxylin_strength_od),
            "threshold_od": held.threshold_od,
            "threshold_source": held.threshold_source,
            "threshold_reason": held.threshold_reason,
        }


def read_stains(
    plane: Plane,
    surveyed: Survey,
    tissue: TissueMap,
    white: WhitePoint,
    marker: MarkerDefinition,
    locked: StainSettings | None,
) -> SlideStains:
    """Read a slide's stain vectors, strengths, background and threshold.

    Parameters
    ----------
    plane : Plane
        Working plane of the slide.
    surveyed : Survey
    tissue : TissueMap
    white : WhitePoint
    marker : MarkerDefinition
    locked : StainSettings or None
        Of a calibration; goes before anything the slide itself says.

    Returns
    -------
    SlideStains
    """
    prior = H_DAB if marker.stains == "H-DAB" else H_E
    sampled = SampledPlane(plane, BLOCK_PX, halo_px(plane))
    estimate = slide_vectors(sampled, surveyed, tissue, white, prior, purity_needed(marker))
    vectors = locked.vectors if locked else estimate.vectors
    strength, uneven = _strength(sampled, surveyed, tissue, vectors, white)
    own, doubts = _own_settings(marker, estimate, strength)
    cloudy = () if uneven.haze is None else (UNEVEN_BACKGROUND,)
    flags = (*colour_flags(estimate, strength, marker.stains), *(() if locked else doubts), *cloudy)
    return SlideStains(locked or own, flags, estimate, strength, uneven)


def purity_needed(marker: MarkerDefinition) -> float:
    """How pure the second stain must show, by where the marker stains; see `estimate_vectors`.

    A membrane a pixel or two wide is seen mixed with the nucleus inside it, as a stain of nuclei is.
    """
    return PURITY_BESIDE_NUCLEI if marker.compartment in _BESIDE_NUCLEI else MIN_PURITY


def _strength(
    plane: SampledPlane, surveyed: Survey, tissue: TissueMap, vectors: StainVectors, white: WhitePoint
) -> tuple[StainStrength, Unevenness]:
    """How strong the stains are, measured again without haze where the background is uneven."""
    blocks = sample_blocks(tissue, surveyed)
    strength = strength_of(strength_histogram(plane, blocks, tissue, vectors, white))
    if vectors.names[1] != "dab":
        return strength, Unevenness(None, "", {})
    uneven = find_unevenness(surveyed, tissue, vectors, white, strength.hematoxylin_od)
    if uneven.haze is not None:
        strength = strength_of(strength_histogram(plane, blocks, tissue, vectors, white, uneven.haze))
    return strength, uneven


def _own_settings(
    marker: MarkerDefinition, estimate: StainEstimate, strength: StainStrength
) -> tuple[StainSettings, tuple[str, ...]]:
    """What the slide says about its own stains, with warnings."""
    stained = marker.stains == "H-DAB"
    spreads = _SPREADS.get(marker.compartment, CELL_SPREADS)
    threshold = slide_threshold(marker.threshold_od, marker.dab_standard_od, strength, spreads=spreads)
    if not stained:
        threshold = Threshold(marker.threshold_od, "default", "no DAB in haematoxylin-eosin")
    settings = StainSettings(
        stain_names=estimate.vectors.names,
        stain_matrix=rows_of(estimate.vectors),
        vectors_source=estimate.source,
        vectors_reason=estimate.reason,
        hematoxylin_strength_od=strength.hematoxylin_od if stained else None,
        dab_strength_od=strength.dab_od if stained else None,
        dab_background_od=strength.background_od if stained else 0.0,
        strength_reason=strength.reason if stained else "haematoxylin-eosin is read as stained",
        threshold_od=threshold.od,
        threshold_source=threshold.source,
        threshold_reason=threshold.reason,
    )
    return settings, threshold.flags
