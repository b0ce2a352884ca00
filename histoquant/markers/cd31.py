"""CD31: endothelium. What is counted is vessels, not cells."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from histoquant.markers.definition import MarkerDefinition
from histoquant.objects.vessels_params import VesselParams


class VesselMarkerDefinition(MarkerDefinition):
    """A marker whose objects are vessels; adds the rules a user may want to change.

    The remaining rules are in `histoquant.objects.vessels.VesselParams` with their reasons.
    """

    low_fraction: float = Field(
        default=0.5,
        ge=0.3,
        le=1.0,
        description="share of threshold_od down to which a wall grows from its peak",
    )
    vessel_min_um2: float = Field(
        default=20.0, ge=1.0, le=500.0, description="um2; smaller objects are specks and granules"
    )
    vessel_max_extent_um: float = Field(
        default=1000.0, ge=100.0, le=5000.0, description="um; longer objects are folds or background"
    )
    join_um: float = Field(
        default=5.0,
        ge=1.0,
        le=20.0,
        description="um; pieces of wall closer than this that continue each other are joined",
    )
    close_um: float = Field(
        default=2.5, ge=0.5, le=5.0, description="um; gaps of one wall up to this are closed"
    )
    lumen_max_um2: float = Field(
        default=2000.0,
        ge=100.0,
        le=20000.0,
        description="um2; larger enclosed areas are tissue between vessels",
    )
    cell_max_um2: float = Field(
        default=350.0,
        ge=50.0,
        le=1000.0,
        description="um2; round lumen-free objects up to this are single cells",
    )

    hotspot_field_mm2: float = Field(
        default=0.74,
        ge=0.05,
        le=5.0,
        description="mm2; area of a hotspot field: 0.74 is Weidner's 200x, 0.2376 a 40x field for biopsies",
    )
    hotspot_fields: int = Field(
        default=10, ge=3, le=1000, description="hotspot fields drawn; the same for all visits compared"
    )
    chalkley: bool = Field(default=False, description="count hits of Chalkley's 25-point graticule as well")

    @model_validator(mode="after")
    def _vessel_rules_hold(self) -> Self:
        self.vessel_params()
        return self

    def vessel_params(self, threshold_od: float | None = None) -> VesselParams:
        """Rules for `histoquant.objects.vessels.find_vessels`.

        Parameters
        ----------
        threshold_od : float, optional
            The slide's locked threshold; the definition's own by default.

        Returns
        -------
        VesselParams
        """
        return VesselParams(
            threshold_od=self.threshold_od if threshold_od is None else threshold_od,
            low_fraction=self.low_fraction,
            min_um2=self.vessel_min_um2,
            max_extent_um=self.vessel_max_extent_um,
            join_um=self.join_um,
            close_um=self.close_um,
            lumen_max_um2=self.lumen_max_um2,
            cell_max_um2=self.cell_max_um2,
        )


READOUTS = (
    "vessels",
    "vessels_per_mm2",
    "endothelial_area_percent",
    "lumen_area_percent",
    "median_diameter_um",
    "hotspot_per_mm2",
    "diameter_p10_um",
    "diameter_p90_um",
    "capillary_percent",
    "hotspot_three_per_mm2",
    "hotspot_p",
    "hotspot_field_mm2",
    "hotspot_fields",
    "hotspot_fields_eligible",
    "chalkley",
    "chalkley_disc_mm2",
)
"""Columns that CD31 adds to slides.csv."""

CD31 = VesselMarkerDefinition(
    name="CD31",
    stains="H-DAB",
    compartment="endothelial",
    rule="none",  # endothelial nuclei are not scored: vessels are counted, cells are not
    dab_standard_od=0.48,  # on rendered sections of normal strength
    threshold_od=0.25,  # QuPath's customary threshold for stained area; nuclei leak 0.1 - 0.2 of DAB
    readouts=READOUTS,
)
"""Built-in definition. ``positive`` and ``positive_percent`` stay empty for CD31;
``positive_per_mm2`` with its interval is vessels per mm2."""
