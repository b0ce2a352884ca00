"""Which of all nested regions are nuclei: those that together explain the image best as single ellipses."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.objects.level_tree import (
    AREA,
    BLOCKED,
    EDGES,
    MAX_X,
    MAX_Y,
    MIN_X,
    MIN_Y,
    STEP,
    SUM_X,
    SUM_XX,
    SUM_XY,
    SUM_Y,
    SUM_YY,
    LevelTree,
)
from histoquant.objects.nuclei_params import NucleiParams

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

# Scores are integers, because sums of them must not depend on the order of summing.
_SCORE_UNIT = 1_000_000.0
_MOD = 1000.0


def region_scores(tree: LevelTree, params: NucleiParams, mpp: float) -> Int64Array:
    """How well each region would do as one nucleus.

    ``score = area * roundness^2 * edge``: roundness is how far the share of its ellipse of inertia that
    the region fills, ``A / (4 pi sqrt(det C))``, exceeds the least share; two touching discs fill 0.89.
    Edge saturates with the mean step of darkness across the boundary.

    Parameters
    ----------
    tree : LevelTree
    params : NucleiParams
    mpp : float
        Micrometres per pixel.

    Returns
    -------
    ndarray of int64, shape (regions,)
        0 for what cannot be a nucleus.
    """
    rules = np.array(
        [
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
        ]
    )
    return np.asarray(_scores(tree.sums, rules), dtype=np.int64)


def best_regions(tree: LevelTree, scores: Int64Array, regrowth: float = 0.0) -> Int32Array:
    """Disjoint regions with the largest total score, decided from the inside out.

    A region is taken if its score is at least that of the best choice inside it, which is credited with
    ``(area of the region / area of the choice) ** regrowth``, because parts come apart only after they lost
    area. Only regions around a pixel decide about the pixel, so the choice is exact within the length of
    the longest region.

    Parameters
    ----------
    tree : LevelTree
    scores : ndarray of int64, shape (regions,)
    regrowth : float
        0 for no credit.

    Returns
    -------
    ndarray of int32, shape (regions,)
        Label from 1 on of the taken region that holds the region, or 0.
    """
    return np.asarray(_best(tree.parent, scores, tree.sums[:, AREA].copy(), regrowth), dtype=np.int32)


@njit(cache=True, nogil=True)
def _scores(sums: Int64Array, rules: npt.NDArray[np.float64]) -> Int64Array:
    px_um2, least_um2, most_um2, length, fill_min, edge_min, edge_half, slender, free_min, score_min = rules
    out = np.zeros(sums.shape[0], np.int64)
    for node in range(sums.shape[0]):
        row = sums[node]
        n = row[AREA]
        area = n * px_um2
        if area < least_um2 or area > most_um2:
            continue
        if row[EDGES] <= free_min * (row[EDGES] + row[BLOCKED]):
            continue
        if row[MAX_X] - row[MIN_X] >= length or row[MAX_Y] - row[MIN_Y] >= length:
            continue
        step = row[STEP] / row[EDGES]
        # 1/12 is the variance of a pixel's own square
        vx = (n * row[SUM_XX] - row[SUM_X] * row[SUM_X]) / (n * n) + 1.0 / 12.0
        vy = (n * row[SUM_YY] - row[SUM_Y] * row[SUM_Y]) / (n * n) + 1.0 / 12.0
        vxy = (n * row[SUM_XY] - row[SUM_X] * row[SUM_Y]) / (n * n)
        det = vx * vy - vxy * vxy
        fill = n / (4.0 * math.pi * math.sqrt(det))
        if fill <= fill_min or step <= edge_min:
            continue
        half = 0.5 * (vx + vy)
        spread = math.sqrt(max(0.0, half * half - det))
        ratio = math.sqrt(max(0.0, half - spread) / (half + spread))
        roundness = min(1.0, (fill - fill_min) / (1.0 - fill_min))
        edge = (step - edge_min) / (step - edge_min + edge_half)
        score = area * roundness * roundness * edge * min(1.0, ratio / slender)
        if score >= score_min:
            out[node] = int(_SCORE_UNIT * score)
    return out


@njit(cache=True, nogil=True)
def _best(parent: Int32Array, scores: Int64Array, area: Int64Array, regrowth: float) -> Int32Array:
    inside = np.zeros(parent.size, np.int64)
    covered = np.zeros(parent.size, np.int64)
    taken = np.zeros(parent.size, np.uint8)
    for node in range(parent.size - 1, -1, -1):
        rest, cover = inside[node], covered[node]
        if scores[node] > 0:
            credit = 1.0
            if cover > 0:
                credit = math.pow(area[node] / cover, regrowth)
            if scores[node] >= rest * credit:
                rest, cover = scores[node], area[node]
                taken[node] = 1
        if parent[node] != node:
            inside[parent[node]] += rest
            covered[parent[node]] += cover
    label = np.zeros(parent.size, np.int32)
    count = 0
    for node in range(parent.size):
        above = parent[node]
        if above != node and label[above] > 0:
            label[node] = label[above]
        elif taken[node]:
            count += 1
            label[node] = count
    return label
