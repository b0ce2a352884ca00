"""How well a region of the image would do as one nucleus."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.nuclei_params import NucleiParams

Int64Array = npt.NDArray[np.int64]

# Scores are integers, because sums of them must not depend on the order of summing.
_SCORE_UNIT = 1_000_000.0
_MOD = 1000.0


class ScoreRules(NamedTuple):
    """What `score_of` needs to know, as plain numbers.

    Attributes
    ----------
    px_um2 : float
        Area of a pixel.
    least_um2, most_um2 : float
    length_px : int
        Longest side of the bounding box.
    ellipse_min, slender, free_min : float
    edge_min_mod, edge_half_mod : float
        Thousandths of OD.
    score_min_um2, regrowth : float
    """

    px_um2: float
    least_um2: float
    most_um2: float
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
        return cls(
            mpp * mpp,
            params.area_min_um2,
            params.area_max_um2,
            params.length_max_px(mpp),
            params.ellipse_min,
            params.edge_min_od * _MOD,
            params.edge_half_od * _MOD,
            params.slender,
            params.free_min,
            params.score_min_um2,
            params.regrowth,
        )


@njit(cache=True, nogil=True)
def score_of(row: Int64Array, rules: ScoreRules) -> int:
    """How well a region of permitted size would do as one nucleus.

    ``score = area * roundness^2 * edge``: roundness is how far the share of its ellipse of inertia that
    the region fills, ``A / (4 pi sqrt(det C))``, exceeds the least share; two touching discs fill 0.89.
    Edge saturates with the mean step of darkness across the boundary.

    Parameters
    ----------
    row : ndarray of int64, shape (9,)
        Area, sums of x, y, xx, yy, xy; free edges, edges to blocked pixels, summed step over the free ones.
    rules : ScoreRules

    Returns
    -------
    int
        Millionths of um2; 0 for what cannot be a nucleus.
    """
    n, sum_x, sum_y, sum_xx, sum_yy, sum_xy, edges, blocked, steps = row
    if edges <= rules.free_min * (edges + blocked):
        return 0
    step = steps / edges
    if step <= rules.edge_min_mod:
        return 0
    # 1/12 is the variance of a pixel's own square
    vx = (n * sum_xx - sum_x * sum_x) / (n * n) + 1.0 / 12.0
    vy = (n * sum_yy - sum_y * sum_y) / (n * n) + 1.0 / 12.0
    vxy = (n * sum_xy - sum_x * sum_y) / (n * n)
    det = vx * vy - vxy * vxy
    fill = n / (4.0 * math.pi * math.sqrt(det))
    if fill <= rules.ellipse_min:
        return 0
    half = 0.5 * (vx + vy)
    spread = math.sqrt(max(0.0, half * half - det))
    ratio = math.sqrt(max(0.0, half - spread) / (half + spread))
    roundness = min(1.0, (fill - rules.ellipse_min) / (1.0 - rules.ellipse_min))
    edge = (step - rules.edge_min_mod) / (step - rules.edge_min_mod + rules.edge_half_mod)
    score = n * rules.px_um2 * roundness * roundness * edge * min(1.0, ratio / rules.slender)
    return int(_SCORE_UNIT * score) if score >= rules.score_min_um2 else 0
