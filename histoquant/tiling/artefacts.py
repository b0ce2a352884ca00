"""Artefacts on tissue: what nobody should count under, found on the map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.tiling.survey import CELLS, Survey

BoolMap = npt.NDArray[np.bool_]
FloatMap = npt.NDArray[np.float64]

_BLUR_REACH_UM = 28.0  # half-width of the area over which sharpness is pooled: several nuclei
# Energy of 2 um detail over that of 4 um and 8 um detail. In focus, on ten scans from soft to sharpened, the
# lowest hundredth was 0.25 and 0.087; Gaussian blur of 2 um gives 0.12 to 0.16 and 0.04 to 0.08.
_BLUR_4UM = 0.19
_BLUR_8UM = 0.06
_BLUR_LEAST_ENERGY = 6.0  # grey levels squared at 8 um: flatter tissue says nothing about focus
_BLUR_MIN_MM2 = 0.01
_BLUR_RIM_UM = 24.0  # the sharp side of a border hides the blurred side by about half the pooling width


@dataclass(frozen=True, eq=False)
class Scene:
    """What the detectors look at, all of one shape.

    Attributes
    ----------
    survey : Survey
        Of the working plane.
    od : ndarray of float64, shape (h, w, 3)
        Mean optical density of each map pixel in red, green and blue; 0 where nothing is counted.
    tissue : ndarray of bool, shape (h, w)
        Tissue before exclusions.
    um : float
        Micrometres per map pixel.
    """

    survey: Survey
    od: FloatMap
    tissue: BoolMap
    um: float


def blurred(scene: Scene) -> BoolMap:
    """Tissue out of focus: its fine detail is missing while its coarse detail is there.

    Parameters
    ----------
    scene : Scene
        Map and tissue.

    Returns
    -------
    ndarray of bool, shape (h, w)
        The ratio of detail energies does not depend on contrast, so pale tissue in focus stays.
    """
    light = scene.survey.light.astype(np.int32)
    reach = round(_BLUR_REACH_UM / scene.um)
    energies = []
    for _ in range(3):
        scale = light.shape[0] // scene.tissue.shape[0] if scene.tissue.shape[0] else 1
        energies.append(_detail(light, scene.tissue, scale, reach))
        light = _halved(light) if scale > 1 else light
    fine, middle, coarse = energies
    soft = (fine < _BLUR_4UM * middle) | (fine < _BLUR_8UM * coarse)
    soft &= scene.tissue & (coarse > _BLUR_LEAST_ENERGY)
    soft = _at_least(soft, _BLUR_MIN_MM2, scene.um)
    return scene.tissue & grown(soft, round(_BLUR_RIM_UM / scene.um))


def grown(mask: BoolMap, radius: int) -> BoolMap:
    """Mask grown by a disc of the given radius in map pixels."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)


def box_sum(values: npt.NDArray[np.int64], radius: int) -> npt.NDArray[np.int64]:
    """Sum over a square window, exact, nothing beyond the border."""
    padded = np.pad(values, radius)
    total = np.pad(padded.cumsum(axis=0, dtype=np.int64).cumsum(axis=1, dtype=np.int64), ((1, 0), (1, 0)))
    width = 2 * radius + 1
    return np.asarray(
        total[width:, width:] - total[:-width, width:] - total[width:, :-width] + total[:-width, :-width]
    )


def _detail(light: npt.NDArray[np.int32], tissue: BoolMap, scale: int, reach: int) -> FloatMap:
    """Pooled energy of the Laplacian over tissue at one scale, per cell, in squared grey levels."""
    around = np.pad(light, 1, mode="edge").astype(np.int64)
    relief = (
        4 * around[1:-1, 1:-1] - around[:-2, 1:-1] - around[2:, 1:-1] - around[1:-1, :-2] - around[1:-1, 2:]
    )
    rows, columns = tissue.shape
    squares = (relief * relief).reshape(rows, scale, columns, scale).sum(axis=(1, 3))
    inner = _inside(tissue)
    unit = (CELLS // scale) ** 2  # cell values are sums over finer cells, kept whole
    pooled = box_sum(np.where(inner, squares, 0), reach)
    number = np.maximum(box_sum(inner.astype(np.int64), reach), 1) * scale * scale
    return np.asarray(pooled / (number * float(unit * unit)))


def _inside(tissue: BoolMap) -> BoolMap:
    """Tissue away from glass: its border is sharp or not for other reasons."""
    return np.asarray(cv2.erode(tissue.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _halved(light: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Sums of 2 x 2 cells."""
    return np.asarray(light[::2, ::2] + light[1::2, ::2] + light[::2, 1::2] + light[1::2, 1::2])


def _at_least(mask: BoolMap, area_mm2: float, um: float) -> BoolMap:
    """Connected parts of at least the given area."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] * um * um * 1e-6 >= area_mm2
    keep[0] = False
    return np.asarray(keep[labels])
