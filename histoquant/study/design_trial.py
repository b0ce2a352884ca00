"""``[tables]`` and ``[analysis]`` of ``study.toml``: who took part, what is compared; no arm anywhere."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class TablesSection(BaseModel):
    """``[tables]``: CSV files beside the slide table. `histoquant run` does not open them."""

    model_config = _FROZEN

    patients: str | None = Field(
        default=None,
        description="One row per enrolled patient: patient, completed, reason. Default none: patients are "
        "those with a biopsy, and the flow begins there.",
    )
    tracts: str | None = Field(
        default=None,
        description="One row per tract: patient, tract, site. Default none: tracts are those with a biopsy.",
    )
    missing: str | None = Field(
        default=None,
        description="Why a planned biopsy is not there: patient, tract, timepoint, reason. Default none: "
        "'not_recorded'.",
    )


class AnalysisSection(BaseModel):
    """``[analysis]``: fixed before any outcome is seen."""

    model_config = _FROZEN

    primary: str = Field(
        default="cd68_per_mm2",
        description="Measure of the one primary comparison. Default CD68+ density: the only one of the "
        "markers whose change is known to follow response (synovium, Haringman 2005).",
    )
    primary_timepoint: str | None = Field(
        default=None, description="Label of its later timepoint. Default none: the last declared one."
    )
    seed: int = Field(
        default=1,
        ge=0,
        le=2**32 - 1,
        description="Of permutations and resampling. Default 1: any number, but fixed.",
    )
