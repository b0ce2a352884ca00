"""Edge effect: DAB piled up where the section dries, a brown rim along its border that spares nothing."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.tiling.maps import BoolMap, at_least, chosen, closed, grown, met, parts
from histoquant.tiling.survey import Survey

Int16Map = npt.NDArray[np.int16]

_BAND_UM = 100.0  # the effect reaches no deeper
_INTERIOR_UM = 150.0  # tissue this far from any border shows what is usual
_LEAST_EXCESS = 50  # thousandths of the blue channel above the interior: DAB of 0.08 OD over everything
_USUAL = (
    0.95  # share of the interior that is taken as usual: spots without nuclei or with cloudy background too
)
_BORDER_UM2 = 20000.0  # lumens and clefts are smaller than the glass around a section
_MIN_MM2 = 0.003
_TOUCH_UM = 40.0  # it begins at the border
_LEAST_INTERIOR = 64  # map pixels


def edge_dab(survey: Survey, tissue: BoolMap, um: float) -> BoolMap:
    """Tissue under the edge effect.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    tissue : ndarray of bool, shape (h, w)
        Tissue without debris.
    um : float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Rims at most 100 um deep along the outer border in which even the least brown 2 um of every 24 um,
        nuclei included, are browner than the interior ever is. True stain leaves nuclei blue, also in a
        sheet of positive cells along a border.
    """
    depth = _depth_um(tissue, um)
    inside = tissue & (depth > _INTERIOR_UM)
    if np.count_nonzero(inside) < _LEAST_INTERIOR or not (tissue & (depth <= _BAND_UM)).any():
        return np.zeros_like(tissue)
    least = _least_around(survey.haze, tissue)
    usual = float(np.quantile(least[inside], _USUAL, method="lower"))
    brown = tissue & (least >= usual + _LEAST_EXCESS)
    rim = at_least(closed(brown & (depth <= _BAND_UM), 1), _MIN_MM2 * 1e6 / (um * um))
    labels, boxes = parts(rim)
    touches = met(labels, rim & (depth <= _TOUCH_UM), len(boxes))
    touches[0] = False
    # the minimum over 24 um ends one map pixel early
    return np.asarray(grown(chosen(touches, labels), 1) & tissue & (depth <= _BAND_UM))


def _depth_um(tissue: BoolMap, um: float) -> npt.NDArray[np.float32]:
    """Distance to the glass around the section; the border of the plane is none."""
    labels, boxes = parts(~tissue)
    large = boxes[:, 4] * um * um >= _BORDER_UM2
    large[0] = False
    near = chosen(~large, labels).astype(np.uint8)
    del labels
    depth = np.asarray(cv2.distanceTransform(near, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    depth *= um
    return depth


def _least_around(haze: Int16Map, tissue: BoolMap) -> npt.NDArray[np.float32]:
    """Least brown excess over 3 x 3 map pixels; what is no tissue, or half glass, does not count."""
    inner = cv2.erode(tissue.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    known = np.where(inner & (haze > -32768), haze, np.int16(32767)).astype(np.float32)
    least = np.asarray(cv2.erode(known, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE))
    least[least >= 32767] = -32768
    return least
