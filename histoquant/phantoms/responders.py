"""A virtual responder: the same tract before and after treatment, with an exact fall in one density.

Fields are drawn one at a time, so that any area can be pooled in flat memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from histoquant.errors import UsageError
from histoquant.phantoms.appearance import APPEARANCES, Appearance
from histoquant.phantoms.field import draw_field
from histoquant.phantoms.spec import SceneSpec
from histoquant.phantoms.truth import Truth

VARIED = {"CD68": "macrophages", "CD20": "b_cells", "CD31": "vessels"}
VISITS = ("baseline", "follow-up")


@dataclass(frozen=True)
class Responder:
    """One pair of biopsies; `fields` draws them.

    Attributes
    ----------
    marker : str
        CD68, CD20 or CD31.
    fall : float
        Share by which the density asked for falls; the exact fall is in the truth (`true_change`).
    per_mm2 : float
        Density asked for at baseline.
    area_mm2 : float
        Tissue drawn at each visit, at least.
    field_um : float
        Side of one field, filled with tissue.
    seed : int
        Same arguments, same bytes.
    looks : (Appearance, Appearance)
        Stain and scanner at baseline and at follow-up.
    """

    marker: str = "CD68"
    fall: float = 0.30
    per_mm2: float = 330.0
    area_mm2: float = 2.5
    field_um: float = 800.0
    seed: int = 1
    looks: tuple[Appearance, Appearance] = (APPEARANCES["normal"], APPEARANCES["normal"])

    def __post_init__(self) -> None:
        if self.marker not in VARIED:
            raise UsageError(f"phantom responder {self.marker!r}: choose one of {', '.join(VARIED)}")
        if not 0.0 <= self.fall < 1.0:
            raise UsageError(f"phantom responder fall = {self.fall}: must lie between 0 and 1")
        if self.area_mm2 <= 0.0 or self.field_um < 100.0:
            raise UsageError("phantom responder: area_mm2 must be positive and field_um at least 100")

    @property
    def count(self) -> int:
        """Fields per visit."""
        return math.ceil(self.area_mm2 / (self.field_um**2 * 1e-6) - 1e-9)

    def fields(self, visit: str) -> Iterator[tuple[NDArray[np.uint8], Truth]]:
        """Draw the fields of one visit (`VISITS`), other cells and other cuts at each.

        Inflammation that recedes takes lymphocytes along: T cells fall by half as much, as in a trial.
        """
        if visit not in VISITS:
            raise UsageError(f"phantom responder visit {visit!r}: choose one of {', '.join(VISITS)}")
        after = VISITS.index(visit)
        left = 1.0 - self.fall * after
        scene = {VARIED[self.marker]: self.per_mm2 * left, "t_cells": 1500.0 * (0.5 + 0.5 * left)}
        for number in range(self.count):
            seed = self.seed * 1000 + 2 * number + after
            spec = SceneSpec(self.marker, (self.field_um, self.field_um), seed)
            yield draw_field(replace(spec, **scene), self.looks[after])  # type: ignore[arg-type]


def density(truths: list[Truth], marker: str) -> float:
    """Return the true density of pooled fields, per mm2: sum of counts over sum of areas."""
    counted = "vessels" if marker == "CD31" else "positive"
    area_mm2 = sum(float(t.summary["tissue_mm2"]) for t in truths)
    return sum(float(t.summary[counted]) for t in truths) / area_mm2


def true_change(before: list[Truth], after: list[Truth], marker: str) -> float:
    """Return the true relative change of pooled density, for example -0.28."""
    return density(after, marker) / density(before, marker) - 1.0
