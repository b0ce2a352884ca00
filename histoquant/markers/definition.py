"""What "positive" means for one marker, declared in one place with units, ranges and reasons."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Stains = Literal["H-DAB", "H-E"]
Compartment = Literal["nuclear", "membrane", "cytoplasmic", "endothelial", "none"]

SPATIAL_READOUTS = (
    "hotspot_per_mm2",
    "hotspot_three_per_mm2",
    "hotspot_p",
    "hotspot_field_mm2",
    "hotspot_fields",
    "hotspot_fields_eligible",
    "nearest_median_um",
    "nearest_ratio",
)
"""Columns that say whether positive cells gather; for every marker whose cells are scored."""


class MarkerDefinition(BaseModel):
    """Frozen definition of a marker: where it stains, what counts, what is read out.

    A marker is this definition plus one scoring rule (``rule``), a pure function of features that do
    not depend on the threshold, so that a threshold can be moved later without reading pixels again.
    A family with more to say (CD31 and its vessels) subclasses this model and adds fields.

    Attributes
    ----------
    threshold_od : float
        DAB optical density (OD units, base 10) at or above which a pixel quantile is stained.
    dab_standard_od : float or None
        Level of stained pixels above background (`histoquant.stains.strength`) at which ``threshold_od``
        holds. A slide stained, or scanned, stronger or weaker is read with a threshold in proportion; None
        for the same threshold on every slide. Setting ``threshold_od`` by hand sets it to None.
    ring_um, cytoplasm_um : float
        Reach of the membrane ring and of the cytoplasm, outwards from the edge of the nucleus, in um.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(
        min_length=1, max_length=32, pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", description="marker name"
    )
    stains: Stains = Field(default="H-DAB", description="stain pair of the slide")
    compartment: Compartment = Field(description="where in the cell the marker stains")
    rule: str = Field(
        min_length=1,
        description="cd68, cd20, nuclear, membrane, cytoplasmic, none (not scored), or a plug-in's",
    )
    threshold_od: float = Field(
        default=0.2,
        ge=0.02,
        le=2.0,
        description="DAB OD; 0.2 is the customary start (QuPath's 1+), to be locked on controls",
    )
    dab_standard_od: float | None = Field(
        default=None,
        ge=0.1,
        le=2.0,
        description="DAB strength that threshold_od is meant for: the threshold follows the slide's own",
    )
    ring_um: float = Field(
        default=1.5,
        ge=0.5,
        le=5.0,
        description="um outside the nucleus; a lymphocyte's membrane",
    )
    cytoplasm_um: float = Field(
        default=5.0,
        ge=1.0,
        le=15.0,
        description="um outside the nucleus, halfway to a neighbour at most; QuPath's expansion",
    )
    min_stained_fraction: float = Field(
        default=0.5,
        gt=0.0,
        le=1.0,
        description="share of the compartment over threshold; half the ring shuts out neighbours",
    )
    nucleus_min_um2: float = Field(
        default=10.0, ge=2.0, le=100.0, description="um2; smaller profiles are caps of nuclei or debris"
    )
    nucleus_max_um2: float = Field(
        default=400.0, ge=50.0, le=2000.0, description="um2; larger than any single nucleus of the infiltrate"
    )
    readouts: tuple[str, ...] = Field(default=(), description="columns of slides.csv that this marker adds")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.nucleus_min_um2 >= self.nucleus_max_um2:
            raise ValueError(
                f"marker {self.name}: nucleus_min_um2 ({self.nucleus_min_um2}) must be smaller than "
                f"nucleus_max_um2 ({self.nucleus_max_um2})"
            )
        if self.ring_um > self.cytoplasm_um:
            raise ValueError(
                f"marker {self.name}: ring_um ({self.ring_um}) must not exceed "
                f"cytoplasm_um ({self.cytoplasm_um})"
            )
        return self
