"""What the score of a region goes by, in the units of its sums."""

from __future__ import annotations

import math
from typing import NamedTuple

from histoquant.objects.nuclei_params import NucleiParams

_MOD = 1000.0


class ScoreRules(NamedTuple):
    """What `histoquant.objects.walk` needs to know, as plain numbers.

    Attributes
    ----------
    px_um2 : float
        Area of a pixel.
    least_px, most_px : int
        Pixels of a region.
    length_px : int
        Longest side of the bounding box.
    ellipse_min, slender, free_min : float
    edge_min_mod, edge_half_mod : float
        Thousandths of OD.
    score_min_um2, regrowth : float
    """

    px_um2: float
    least_px: int
    most_px: int
    length_px: int
    ellipse_min: float
    edge_min_mod: float
    edge_half_mod: float
    slender: float
    free_min: float
    score_min_um2: float
    regrowth: float

    @classmethod
    def of(cls, params: NucleiParams, mpp: float) -> ScoreRules:
        """Rules at a resolution in um per pixel."""
        px_um2 = mpp * mpp
        return cls(
            px_um2,
            math.ceil(params.area_min_um2 / px_um2),
            math.floor(params.area_max_um2 / px_um2),
            params.length_max_px(mpp),
            params.ellipse_min,
            params.edge_min_od * _MOD,
            params.edge_half_od * _MOD,
            params.slender,
            params.free_min,
            params.score_min_um2,
            params.regrowth,
        )
