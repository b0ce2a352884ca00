"""How strong the stains of a slide are: the level of nuclei and of stained pixels, from exact histograms.

Scanners differ by a factor in optical density (a tone curve is one), and so do staining runs. Both strengths
are levels that follow such a factor exactly, and hardly follow how many cells there are: a level is the
median of everything above a share of that same level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from histoquant.stains.density import MOD_PER_OD, WhiteLike, unmix_mod
from histoquant.stains.level import level_above
from histoquant.stains.sampling import BLOCK_PX, block_mask
from histoquant.stains.strength_histogram import (
    BELOW,
    LEVELS,
    StrengthHistogram,
    add_window,
    clear,
    reach_px,
)
from histoquant.stains.uneven import HazeMap, without_haze
from histoquant.stains.vectors import StainVectors
from histoquant.tiling.survey import PlaneLike
from histoquant.tiling.tissue_map import TissueMap

Int64Array = npt.NDArray[np.int64]

_FAINT_MOD = 30  # over the background: less is noise of the unmixing

_NUCLEUS_RANK, _STAIN_RANK, _LOW_RANK = 0.20, 0.25, 0.025  # of unstained tissue
NUCLEUS_SHARE_PERCENT, STAIN_SHARE_PERCENT = 50, 40

MIN_NUCLEI = 40
MIN_HEMATOXYLIN_OD = 0.06
MIN_STAINED_PX = 400  # 100 um2 at 0.5 um/px: one macrophage
MIN_STAINED_PERCENT = 0.1
MIN_DAB_OD = 0.12
MIN_CONTRAST = 4.0  # times the spread of the background


@dataclass(frozen=True)
class StainStrength:
    """Strengths of one slide.

    Attributes
    ----------
    hematoxylin_od : float or None
        Median haematoxylin of nuclei at their darkest, above unstained tissue.
    dab_od : float or None
        Median DAB of stained pixels above ``background_od``.
    background_od : float
        DAB of unstained tissue, not below 0.
    reason : str
        Why a strength is None, with the numbers; empty when both were measured.
    diagnostics : dict of str to float
        What was measured, whether or not it was taken.
    """

    hematoxylin_od: float | None
    dab_od: float | None
    background_od: float
    reason: str
    diagnostics: dict[str, float]


def strength_histogram(
    plane: PlaneLike,
    blocks: Int64Array,
    tissue_map: TissueMap,
    vectors: StainVectors,
    white_point: WhiteLike,
    haze: HazeMap | None = None,
) -> StrengthHistogram:
    """Count the sampled blocks of a slide.

    Parameters
    ----------
    plane : Plane
        Working plane.
    blocks : ndarray of int64, shape (n, 2)
        As `sample_blocks` gives them.
    tissue_map : TissueMap
        Of the same slide.
    vectors : StainVectors
        The slide's.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.
    haze : HazeMap, optional
        Taken off DAB first.

    Returns
    -------
    StrengthHistogram
    """
    counts = np.zeros((4, BELOW + LEVELS), np.int64)
    mpp, halo = _mpp(plane), halo_px(plane)
    side = BLOCK_PX + 2 * halo
    stains, means = np.empty((2, 2, side, side), np.int16)
    mask, inner = np.zeros((side, side), np.bool_), np.s_[halo : halo + BLOCK_PX, halo : halo + BLOCK_PX]
    for x, y in blocks.tolist():
        rgb, valid = plane.read(x - halo, y - halo, side, side)
        unmix_mod(rgb, vectors, white_point, stains)
        if haze is not None:
            stains[1] = without_haze(stains[1], haze.window(x - halo, y - halo, side, side))
        if not valid.all():
            clear(stains, valid)
        np.logical_and(block_mask(tissue_map, x, y), valid[inner], out=mask[inner])
        add_window(stains, mask, mpp, counts, means)
    return StrengthHistogram(*counts)


def halo_px(plane: PlaneLike) -> int:
    """Pixels around a block that what is counted in it depends on."""
    return sum(reach_px(_mpp(plane)))


def _mpp(plane: PlaneLike) -> float:
    return (plane.mpp_xy[0] + plane.mpp_xy[1]) / 2


def strength_of(found: StrengthHistogram) -> StainStrength:
    """Strengths from the counts, each with its gate.

    Parameters
    ----------
    found : StrengthHistogram

    Returns
    -------
    StainStrength

    Notes
    -----
    With F the counts above the background, a level S is the largest that satisfies
    ``S = median of F above share * S`` and has enough counts: for haematoxylin the darkest places of blue
    nuclei (share 0.5), for DAB the pixels of its hue (share 0.4). Multiplying all densities by a factor
    multiplies both levels by it. On rendered fields haematoxylin varies by 5 % between sparse and crowded
    scenes and between markers, DAB by 15 %.
    """
    base = _at_rank(found.hematoxylin, _NUCLEUS_RANK)
    background = max(_at_rank(found.dab, _STAIN_RANK), 0)
    spread = _at_rank(found.dab, _STAIN_RANK) - _at_rank(found.dab, _LOW_RANK)
    total = int(found.dab.sum())
    blue, nuclei = level_above(_above(found.peaks, base), NUCLEUS_SHARE_PERCENT, MIN_NUCLEI)
    least = max(MIN_STAINED_PX, round(total * MIN_STAINED_PERCENT / 100))
    stained = _above(found.brown, background)
    stained[: _FAINT_MOD + 1] = 0
    brown, pixels = level_above(stained, STAIN_SHARE_PERCENT, least)
    percent = 100 * pixels / total if total else 0.0
    diagnostics = {
        "hematoxylin_od": blue / MOD_PER_OD,
        "nuclei": float(nuclei),
        "dab_od": brown / MOD_PER_OD,
        "dab_percent": percent,
        "dab_background_od": background / MOD_PER_OD,
        "dab_background_spread_od": spread / MOD_PER_OD,
    }
    no_blue = ""
    if nuclei < MIN_NUCLEI:
        no_blue = f"hematoxylin: too few blue nuclei in the sample, {nuclei} of {MIN_NUCLEI}"
    elif blue < MIN_HEMATOXYLIN_OD * MOD_PER_OD:
        no_blue = f"hematoxylin: nuclei only {blue / 1000:.3f} OD above tissue, {MIN_HEMATOXYLIN_OD} needed"
    no_brown = _dab_objection(brown, spread, pixels, least)
    return StainStrength(
        None if no_blue else blue / MOD_PER_OD,
        None if no_brown else brown / MOD_PER_OD,
        background / MOD_PER_OD,
        "; ".join(reason for reason in (no_blue, no_brown) if reason),
        diagnostics,
    )


def _dab_objection(level: int, spread: int, pixels: int, least: int) -> str:
    if pixels < least:
        return f"DAB: too few stained pixels in the sample, fewer than {least}"
    if level < MIN_DAB_OD * MOD_PER_OD:
        return f"DAB: stained pixels only {level / 1000:.3f} OD above background, {MIN_DAB_OD} needed"
    if level < MIN_CONTRAST * spread:
        return f"DAB: stained pixels only {level / max(spread, 1):.1f} times the background's spread"
    return ""


def _above(counts: Int64Array, base: int) -> Int64Array:
    """Counts by height over a base, the first at the base itself."""
    return np.asarray(counts[BELOW + base :].copy())


def _at_rank(counts: Int64Array, rank: float) -> int:
    """Value in mOD with at least this share of the counts at or below it; 0 where nothing is counted."""
    total = int(counts.sum())
    if total == 0:
        return 0
    return int(np.searchsorted(np.cumsum(counts), max(1, round(rank * total)))) - BELOW
