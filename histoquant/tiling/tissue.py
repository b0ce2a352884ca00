"""Tissue against glass: which map pixels hold tissue, and which specks, lines and padding do not count."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.tiling.maps import bands, chosen, closed, met, opened, parts, rod, window
from histoquant.tiling.survey import CELL_PX, CELLS, SCALE_PX, Survey

BoolMap = npt.NDArray[np.bool_]

# Variance of 2 um cells beyond pixel noise, grey levels squared: glass below 0.4, the smoothest pale stroma
# seen above 1.0.
_FLAT_VARIANCE = 0.8
_DIMMEST_GLASS = 150.0  # below this even a badly exposed scan shows no glass
# Palest stroma measured on a scan: 0.015 OD under glass; half of that is the border.
_PALEST_OD = 0.008
_NOISE_SDS = 4.0  # of 2 um cells on glass
_LEAST_LEVELS = 3.0  # grey levels: the step of strong JPEG compression
_PALE_SPOT = 100  # map px: larger pale areas on a slide that has glass are glass, flat or not
_MIN_SPECK_MM2 = 0.01  # smaller islands are debris: a cylinder of ten cells
_BRIDGE_UM = 20.0  # gaps in loose tissue closed before an island is judged
_CORE_UM = 40.0  # an island with no square this wide is a fibre or an edge
_LINE_UM = 400.0  # a strand this long and thin is the edge of the coverslip
_LARGEST_LUMEN_UM2 = 2000.0  # larger lumens and clefts are no tissue
_LINE_STRAIGHTNESS = 0.8  # of its length: end-to-end distance; tissue strands bend


def flat_blocks(survey: Survey) -> npt.NDArray[np.bool_]:
    """Map pixels that are bright and show nothing but pixel noise.

    Parameters
    ----------
    survey : Survey
        Of the working plane.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    flat = np.zeros(survey.shape, dtype=bool)
    for band in bands(survey.shape[0]):
        spread = np.empty(flat[band].shape, dtype=np.int32)
        _cell_spread(survey.light[band.start * CELLS : band.stop * CELLS], spread)
        variance = spread / float(CELLS**4)
        # white noise of variance v gives a squared Laplacian of 20 v, and a cell mean a variance of v / 16
        noise = survey.relief[band] / (SCALE_PX * SCALE_PX * 20.0 * CELL_PX * CELL_PX)
        flat[band] = variance - noise <= _FLAT_VARIANCE
    bright = survey.sums[..., 1] >= _DIMMEST_GLASS * SCALE_PX * SCALE_PX
    return np.asarray(flat & bright & (survey.counted == SCALE_PX * SCALE_PX))


@njit(cache=True, nogil=True)
def _cell_spread(light, spread):  # type: ignore[no-untyped-def]
    """Variance of the 16 cells of each map pixel, times 256."""
    for y in range(spread.shape[0]):
        for x in range(spread.shape[1]):
            total = squares = np.int64(0)
            for cy in range(y * CELLS, (y + 1) * CELLS):
                for cx in range(x * CELLS, (x + 1) * CELLS):
                    value = np.int64(light[cy, cx])
                    total += value
                    squares += value * value
            spread[y, x] = squares * CELLS * CELLS - total * total


def padding(survey: Survey) -> BoolMap:
    """Map pixels of black padding and their rim.

    Parameters
    ----------
    survey : Survey
        Of the working plane.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Mostly black blocks in areas at least 3 x 3 blocks large, and the blocks that touch them.
    """
    black = (survey.black >= SCALE_PX * SCALE_PX * 3 // 4).astype(np.uint8)
    # outside the plane there is padding too, so that a thin black border is found
    framed = cv2.copyMakeBorder(black, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=1)
    wide = cv2.morphologyEx(framed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    wide[:2], wide[-2:], wide[:, :2], wide[:, -2:] = 0, 0, 0, 0
    rim = cv2.dilate(wide, np.ones((3, 3), np.uint8))[2:-2, 2:-2]
    return np.asarray((rim > 0) & (survey.black > 0))


def coverage(survey: Survey, white_green: float) -> npt.NDArray[np.float32]:
    """Share of each map pixel that is darker than glass, from its 2 um cells.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    white_green : float
        Green intensity of glass.

    Returns
    -------
    ndarray of float32, shape (h, w)
        0 to 1; cells with nothing counted are left out.
    """
    limit = min(math.ceil(white_green - glass_margin(survey, white_green)), 256)
    share = np.empty(survey.shape, np.float32)
    per_pixel = np.float32(CELLS * CELLS / (SCALE_PX * SCALE_PX))
    for band in bands(len(share)):
        dark = np.empty(share[band].shape, np.float32)
        _dark_cells(survey.light[band.start * CELLS : band.stop * CELLS], np.int16(limit), dark)
        share[band] = np.minimum(dark / np.maximum(np.float32(1.0), survey.counted[band] * per_pixel), 1.0)
    return share


@njit(cache=True, nogil=True)
def _dark_cells(light, limit, dark):  # type: ignore[no-untyped-def]
    """Cells of each map pixel below a level."""
    columns = np.empty(light.shape[1], np.uint8)
    for y in range(dark.shape[0]):
        columns[:] = 0
        for row in light[y * CELLS : (y + 1) * CELLS]:
            for x in range(columns.size):
                columns[x] += np.uint8(np.int16(row[x]) < limit)
        for x in range(dark.shape[1]):
            dark[y, x] = columns[x * CELLS : (x + 1) * CELLS].sum()


def tissue_blocks(survey: Survey, white_green: float, has_glass: bool) -> BoolMap:
    """Map pixels that hold tissue rather than glass, before debris is removed.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    white_green : float
        Green intensity of glass.
    has_glass : bool
        Whether the white point was read from glass. Without it all is tissue but holes as flat as glass.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Mostly darker than glass; pale spots without a single flat map pixel are tissue too.
    """
    margin = glass_margin(survey, white_green)
    whole = SCALE_PX * SCALE_PX
    seen = survey.counted >= whole // 16
    dark = seen & (coverage(survey, white_green) >= 0.5)
    pale = seen & ~dark
    flat = pale & flat_blocks(survey) & (survey.sums[..., 1] >= (white_green - 2 * margin) * whole)
    labels, boxes = parts(pale, connectivity=4)
    filled = ~met(labels, flat, len(boxes))
    if has_glass:
        filled &= boxes[:, 4] <= _PALE_SPOT
    filled[0] = False
    return np.asarray(dark | chosen(filled, labels))


def glass_margin(survey: Survey, white_green: float) -> float:
    """How many grey levels under glass a 2 um cell must be to be no glass.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    white_green : float
        Green intensity of glass.

    Returns
    -------
    float
        The largest of 0.008 OD, three levels, and four standard deviations of cells on glass, the latter
        from the cells brighter than glass, where no tissue adds to them.
    """
    counts = survey.cell_colours[:, 0].astype(np.float64)
    above = np.arange(256) + 0.5 - white_green
    glassy = (above > 0) & (above <= 12.0)
    number = counts[glassy].sum()
    spread = float(np.sqrt((counts[glassy] * above[glassy] ** 2).sum() / number)) if number else 0.0
    return float(max(white_green * (1.0 - 10.0**-_PALEST_OD), _LEAST_LEVELS, _NOISE_SDS * spread))


def without_debris(tissue: BoolMap, mpp_xy: tuple[float, float]) -> BoolMap:
    """Tissue without specks, fibres and long straight edges.

    Parameters
    ----------
    tissue : ndarray of bool, shape (h, w)
        Map pixels darker than glass.
    mpp_xy : tuple of float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    um = float(np.sqrt(mpp_xy[0] * mpp_xy[1]))
    whole = closed(tissue, round(_BRIDGE_UM / um))
    core = round(_CORE_UM / um)
    solid = opened(whole, core)
    whole &= ~_straight_lines(whole & ~solid, um)
    labels, boxes = parts(whole)
    keep = boxes[:, 4] * (mpp_xy[0] * mpp_xy[1] * 1e-6) >= _MIN_SPECK_MM2
    keep &= met(labels, solid, len(boxes))
    keep[0] = False
    return np.asarray(tissue & chosen(keep, labels))


def with_small_holes(tissue: BoolMap, covered: BoolMap, mpp_xy: tuple[float, float]) -> BoolMap:
    """Tissue with its lumens, tears and gaps of at most 2000 um2: they belong to the section.

    Parameters
    ----------
    tissue : ndarray of bool, shape (h, w)
        Without debris.
    covered : ndarray of bool, shape (h, w)
        Ink and bubbles: they close a hole, and are not filled.
    mpp_xy : tuple of float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Holes at the border of the plane stay: nobody knows how large they are.
    """
    gaps = ~(tissue | covered)
    labels, boxes = parts(gaps)
    small = boxes[:, 4] * (mpp_xy[0] * mpp_xy[1]) <= _LARGEST_LUMEN_UM2
    small[0] = False
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        small[edge] = False
    return np.asarray(tissue | chosen(small, labels))


def _straight_lines(thin: BoolMap, um: float) -> BoolMap:
    """Parts that run straight for long: the edge of a coverslip, a scratch."""
    labels, boxes = parts(thin)
    lines = np.zeros(len(boxes), dtype=bool)
    for index in np.flatnonzero(np.hypot(boxes[:, 2], boxes[:, 3]) * um >= _LINE_UM):
        if index:
            length, width = (side * um for side in rod(*np.nonzero(labels[window(boxes[index], 0)] == index)))
            lines[index] = length >= _LINE_UM * _LINE_STRAIGHTNESS and width <= _CORE_UM
    return chosen(lines, labels)
