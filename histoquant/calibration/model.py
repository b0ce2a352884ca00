"""What a calibration holds: one lock per marker and batch, and the control slides it rests on."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from histoquant._version import __version__
from histoquant.errors import UsageError
from histoquant.stains.settings import StainSettings, rows_of
from histoquant.stains.vectors import StainVectors
from histoquant.study.rules import ID_RULE, is_id

FORMAT: Literal["histoquant-calibration"] = "histoquant-calibration"
FORMAT_VERSION: Literal[1] = 1
DEFAULT_BATCH = "default"

ControlKind = Literal["positive", "negative"]
ThresholdSource = Literal[
    "negative controls", "negative and positive controls", "positive controls", "marker default"
]

_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_Share = Annotated[float, Field(ge=-1.0, le=1.0)]
_Vector = tuple[_Share, _Share, _Share]
_Od = Annotated[float, Field(gt=0.0, le=5.0)]
_Percent = Annotated[float, Field(ge=0.0, le=100.0)]


class ControlSlide(BaseModel):
    """One ``[[control]]``: a control slide as it reads under the lock of its marker and batch.

    Attributes
    ----------
    slide : str
        File name.
    sha256 : str
        Of the file; of its parts' digests for a slide that is a folder.
    mpp : float
        um/px of the scan.
    positive_dab_od : float or None
        Median DAB of positive cells; of stained pixels where a marker counts no cells.
    hematoxylin_od : float or None
        Strength of the counterstain, as the lock states it.
    """

    model_config = _STRICT

    slide: str = Field(min_length=1, max_length=255)
    marker: str
    batch: str
    kind: ControlKind
    clone: str | None = None
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    mpp: float = Field(gt=0.0, le=20.0)
    tissue_mm2: float = Field(ge=0.0)
    nuclei: int = Field(ge=0)
    positive_area_percent: _Percent
    positive_dab_od: _Od | None = None
    hematoxylin_od: _Od | None = None


class Lock(BaseModel):
    """One ``[[lock]]``: what every slide of a marker and batch is read with.

    Attributes
    ----------
    hematoxylin, dab : tuple of 3 float
        Unit directions in optical density (red, green, blue).
    hematoxylin_od, dab_od : float or None
        Strength of each stain on the controls, OD; None where there was too little of it to tell.
    dab_background_od : float
        DAB of unstained tissue on the controls, OD.
    threshold_od : float
        DAB optical density at or above which stain is positive.
    """

    model_config = _STRICT

    marker: str = Field(min_length=1, max_length=32)
    batch: str
    clone: str | None = None
    hematoxylin: _Vector
    dab: _Vector
    vectors_source: str
    vectors_reason: str = ""
    hematoxylin_od: _Od | None = None
    dab_od: _Od | None = None
    dab_background_od: float = Field(default=0.0, ge=-1.0, le=5.0)
    strength_reason: str = ""
    threshold_od: float = Field(ge=0.02, le=2.0)
    threshold_source: ThresholdSource
    threshold_reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not is_id(self.batch):
            raise ValueError(f"batch {self.batch!r} cannot be used; use {ID_RULE}")
        try:
            _ = self.vectors
        except UsageError as error:  # zero, or too close to tell apart
            raise ValueError(str(error)) from None
        return self

    @property
    def vectors(self) -> StainVectors:
        """Both stains with their residual, as unmixing takes them."""
        return StainVectors.from_pair(self.hematoxylin, self.dab, ("hematoxylin", "dab"))

    def settings(self) -> StainSettings:
        """The lock as the plan of a slide takes it."""
        source = f"calibration, marker {self.marker}, batch {self.batch}"
        return StainSettings(
            stain_names=self.vectors.names,
            stain_matrix=rows_of(self.vectors),
            vectors_source="locked",
            vectors_reason="; ".join(
                part for part in (source, self.vectors_source, self.vectors_reason) if part
            ),
            hematoxylin_strength_od=self.hematoxylin_od,
            dab_strength_od=self.dab_od,
            dab_background_od=self.dab_background_od,
            strength_reason=self.strength_reason,
            threshold_od=self.threshold_od,
            threshold_source="locked",
            threshold_reason=f"{source}, from {self.threshold_source}: {self.threshold_reason}",
        )

    @property
    def sha256(self) -> str:
        """Digest of everything that is locked: what a result may be traced to."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Calibration(BaseModel):
    """A calibration file.

    Attributes
    ----------
    histoquant : str
        Version that made it.
    working_mpp_um : float
        Resolution of analysis in um/px that the thresholds hold for.
    lock : tuple of Lock
        Sorted by marker and batch.
    control : tuple of ControlSlide
        By marker; within a marker in the order of staining runs.
    """

    model_config = _STRICT

    format: Literal["histoquant-calibration"] = FORMAT
    format_version: Literal[1] = FORMAT_VERSION
    histoquant: str = __version__
    working_mpp_um: float = Field(ge=0.2, le=1.0)
    lock: tuple[Lock, ...] = Field(min_length=1)
    control: tuple[ControlSlide, ...] = ()

    @model_validator(mode="after")
    def _one_lock_each(self) -> Self:
        keys = [(lock.marker.casefold(), lock.batch) for lock in self.lock]
        twice = next((lock for lock, key in zip(self.lock, keys, strict=True) if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"two locks for marker {twice.marker}, batch {twice.batch}; keep one")
        return self

    def lock_for(self, marker: str, batch: str | None) -> Lock | None:
        """The lock of a marker's batch, else of its batch ``default``, else None."""
        own = {lock.batch: lock for lock in self.lock if lock.marker.casefold() == marker.casefold()}
        return own.get(batch or DEFAULT_BATCH, own.get(DEFAULT_BATCH))


def rounded(vector: np.ndarray) -> tuple[float, float, float]:
    """A direction with six decimals: 0.0001 degrees, and readable."""
    red, green, blue = (round(float(value), 6) for value in vector)
    return red, green, blue
