"""What a user may choose for a whole run, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from histoquant.errors import UsageError


class RunParameters(BaseModel):
    """What the user may choose for a whole run, beside the markers' own definitions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    working_mpp_um: float = Field(
        default=0.5, ge=0.2, le=1.0, description="Resolution of analysis in um/px; 0.5 is a 20x objective."
    )
    tile_size_px: int | None = Field(
        default=None,  # a halo of 80 um adds an eighth to the pixels of six tiles, three quarters at 1024 px
        ge=256,
        le=4096,
        description="Edge of a square core with the largest window; changes speed and memory, never results. "
        "By default as large as 800 MB allow, which is less where the slide itself takes more.",
    )
    batch_tiles: int = Field(
        default=24,
        ge=1,
        le=256,
        description="Tiles per task; seconds of work, so scheduling is invisible.",
    )
    unread_limit_percent: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Percent of the tissue that may be unreadable; by default a slide with any such part "
        "fails, because what is missing may be what counts.",
    )
    cross_check_tiles: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Windows of each slide that a second reader reads as well; 0 trusts the first.",
    )


def parameters_from(chosen: Mapping[str, Any]) -> RunParameters:
    """Parameters as chosen, by the names of `RunParameters`; None stands for the default.

    Raises
    ------
    UsageError
        If a value is out of its limits.
    """
    try:
        return RunParameters(**{key: value for key, value in chosen.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name, given = first["loc"][0], first["input"]
        raise UsageError(f"{name}: {given} does not fit; {first['msg'].lower()}.") from error
