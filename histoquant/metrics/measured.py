"""A number with the reason why it is missing: no metric is ever a silent NaN."""

from __future__ import annotations

from dataclasses import dataclass

REASONS = {
    "NO_TISSUE": "no quantifiable tissue",
    "INSUFFICIENT_TISSUE": "less than 0.25 mm2 of quantifiable tissue",
    "NO_NUCLEI": "no nuclei to take a percentage of",
    "NOT_COUNTED": "the marker has no such objects, or they were not searched for",
    "NO_STAIN_HISTOGRAM": "the slide has no DAB histogram",
    "ALL_AGGREGATE": "less than 0.05 mm2 of tissue lies outside aggregates",
    "FEW_BLOCKS": "too few spatial blocks of tissue",
    "NO_FIELD": "no hotspot field of the set area lies on the tissue with four fifths of it",
    "FEW_APART_FIELDS": "fewer than three of the drawn hotspot fields do not overlap",
    "NOT_ASKED": "measured only when a setting asks for it",
    "FEW_FIELDS": "too few hotspot fields with enough tissue",
    "NO_VESSELS": "no vessel to take a median of",
    "NO_THRESHOLD_COUNTS": "objects were not counted at 0.8 and 1.2 of the threshold",
    "FEW_CELLS": "fewer than ten positive cells",
    "ALL_POSITIVE": "every nucleus is positive: no other way to label them",
    "NO_POSITIVES": "no positive object in the tissue that counts",
    "NO_CELL_AREA": "too few single cells to tell the area of one",
    "NO_PERIMETER": "the object has no perimeter",
    "VISIT_NOT_EVALUABLE": "one of the two visits has too little tissue",
}
"""Every reason a metric of this package can give, in words."""


@dataclass(frozen=True)
class Measured:
    """A value, or the reason why there is none.

    Attributes
    ----------
    value : float or None
        None where the quantity was not measured.
    reason : str or None
        A key of `REASONS` where the value is missing, or where it must not be used for inference.
    """

    value: float | None
    reason: str | None = None

    @classmethod
    def missing(cls, reason: str) -> Measured:
        """No value, for a reason of `REASONS`."""
        return cls(None, reason)


@dataclass(frozen=True)
class Interval:
    """A two-sided 95 % interval, or the reason why there is none."""

    low: float | None
    high: float | None
    reason: str | None = None
