"""Crushed tissue: cells drawn out into dark streaks that all run one way, beside tissue that does not."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.tiling.maps import BoolMap, box_sum, grown, opened, parts, window
from histoquant.tiling.survey import CELLS, Survey

FloatMap = npt.NDArray[np.float32]

_REACH_UM = 28.0  # half-width of the area over which direction is pooled: several cells
# Coherence of the structure tensor, 0 to 1. Drawn crushed patches 0.63 to 0.75 (quartiles); of tissue in
# seven real IHC images not a thousandth reaches it, of collagen in H&E an eighth.
_ONE_WAY = 0.66
_DARKER = (
    1.4  # in red, against the tissue beside: chromatin is spilt. Collagen runs one way, too, but is paler
)
_BESIDE_ONE_WAY = 0.38  # muscle and scar run one way far beyond any border
_MIN_MM2 = 0.015
_BESIDE_UM = (16.0, 48.0)
_CORE_PX = 3
_RIM_UM = 20.0  # beside tissue that runs all ways the pooled direction fades early


def crushed(survey: Survey, od: FloatMap, tissue: BoolMap, um: float) -> BoolMap:
    """Tissue in which nuclei cannot be told apart because they were crushed.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    od : ndarray of float32, shape (h, w, 3)
        Mean optical density of map pixels.
    tissue : ndarray of bool, shape (h, w)
        Where to look.
    um : float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Patches of at least 0.015 mm2 that run one way, are darker than what lies beside them, and whose
        surroundings do not run one way: a scar or a muscle is longer than a crushed patch.
    """
    inner = cv2.erode(tissue.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    one_way = _coherence(survey, inner, round(_REACH_UM / um))
    labels, boxes = parts(opened(inner & (one_way >= _ONE_WAY), _CORE_PX))
    near, far = (round(reach / um) for reach in _BESIDE_UM)
    found = np.zeros_like(tissue)
    for index in np.flatnonzero(boxes[:, 4] * um * um * 1e-6 >= _MIN_MM2):
        if index == 0:
            continue
        here = window(boxes[index], far + 1)
        part = labels[here] == index
        beside = grown(part, far) & ~grown(part, near) & inner[here]
        if not beside.any():
            continue
        red = od[here][..., 0]
        darker = red[part].mean(dtype=np.float64) >= _DARKER * red[beside].mean(dtype=np.float64)
        if darker and one_way[here][beside].mean() <= _BESIDE_ONE_WAY:
            found[here] |= grown(part, round(_RIM_UM / um))
    return np.asarray(found & tissue)


def _coherence(survey: Survey, inner: BoolMap, reach: int) -> npt.NDArray[np.float64]:
    """How far the gradients of 2 um cells around each map pixel agree in direction, from exact sums."""
    light = survey.light.astype(np.int32)
    across, down = np.zeros_like(light), np.zeros_like(light)
    across[:, 1:-1] = light[:, 2:] - light[:, :-2]
    down[1:-1] = light[2:] - light[:-2]
    rows, columns = survey.shape

    def pooled(product: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        blocks = product.reshape(rows, CELLS, columns, CELLS).sum(axis=(1, 3), dtype=np.int64)
        return box_sum(np.where(inner, blocks, 0), reach).astype(np.float64)

    xx, yy, xy = pooled(across * across), pooled(down * down), pooled(across * down)
    length = np.sqrt((xx - yy) ** 2 + 4.0 * xy**2)
    return np.asarray(length / np.maximum(xx + yy, 1.0))
