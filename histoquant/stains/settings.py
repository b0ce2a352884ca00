"""How one slide's stains are read: directions, strengths and the positivity threshold, with their reasons."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from histoquant.stains.vectors import StainVectors

Row = tuple[float, float, float]
Rows = tuple[Row, Row, Row]
ThresholdSource = Literal["default", "set", "adapted", "locked"]


class StainSettings(BaseModel):
    """Decisions about the stains of one slide, or, locked by a calibration, of all slides of a batch.

    Attributes
    ----------
    stain_names : tuple of 3 str
        Names of the rows of ``stain_matrix``.
    stain_matrix : tuple of 3 tuples of 3 float
        Unit optical-density directions (red, green, blue): haematoxylin, second stain, residual.
    vectors_source, vectors_reason : str
        As `StainEstimate.source` and ``reason``.
    hematoxylin_strength_od : float or None
        How far nuclei stand out in haematoxylin, OD; None where the slide does not tell, and nuclei are
        then searched as on a slide of standard strength.
    dab_strength_od : float or None
        Level of stained pixels above the slide's background, OD; None where there is too little stain.
    dab_background_od : float
        DAB of unstained tissue, OD.
    strength_reason : str
        Why a strength is None; empty when both were measured.
    threshold_od : float
        DAB optical density at or above which stain is positive.
    threshold_source : str
        ``default`` (the marker's), ``set`` (by the user), ``adapted`` (to this slide), ``locked`` (by a
        calibration).
    threshold_reason : str
        Why, with the numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    stain_names: tuple[str, str, str]
    stain_matrix: Rows
    vectors_source: str
    vectors_reason: str = ""
    hematoxylin_strength_od: float | None = Field(default=None, gt=0.0, le=5.0)
    dab_strength_od: float | None = Field(default=None, gt=0.0, le=5.0)
    dab_background_od: float = Field(default=0.0, ge=-1.0, le=5.0)
    strength_reason: str = ""
    threshold_od: float = Field(ge=0.02, le=2.0)
    threshold_source: ThresholdSource
    threshold_reason: str = ""

    @property
    def vectors(self) -> StainVectors:
        """The stain vectors as unmixing takes them."""
        return StainVectors(np.array(self.stain_matrix), self.stain_names)

    @property
    def search_gain(self) -> int:
        """Factor in 1/1024 that brings the slide to standard strength for the nucleus search."""
        return search_gain(self.hematoxylin_strength_od)


GAIN_UNIT = 1024
"""Gains are whole numbers of 1/1024, so that scaled planes are the same in every window."""
STANDARD_HEMATOXYLIN_OD = 0.64
"""Strength at which the parameters of the nucleus search hold."""
GAIN_RANGE = (0.5, 6.0)
"""More would turn the noise of an empty or nearly colourless slide into nuclei."""


def search_gain(hematoxylin_strength_od: float | None) -> int:
    """Factor that brings a slide's haematoxylin to the standard strength.

    Parameters
    ----------
    hematoxylin_strength_od : float or None
        Of the slide; None for a factor of one.

    Returns
    -------
    int
        In 1/1024, from 512 to 6144.
    """
    if hematoxylin_strength_od is None:
        return GAIN_UNIT
    low, high = GAIN_RANGE
    gain = min(max(STANDARD_HEMATOXYLIN_OD / hematoxylin_strength_od, low), high)
    return round(gain * GAIN_UNIT)


def rows_of(vectors: StainVectors) -> Rows:
    """The matrix of stain vectors as plain numbers."""
    first, second, third = ((float(red), float(green), float(blue)) for red, green, blue in vectors.matrix)
    return first, second, third
