"""Marker pen, pigment and air bubbles: colours that are no stain."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.tiling.maps import BoolMap, at_least, band_sums, bands, closed, grown, parts, window
from histoquant.tiling.mean_od import MeanOd
from histoquant.tiling.survey import CELLS, Survey

FloatMap = npt.NDArray[np.float32]

_PEN_OD = 0.45  # strongest channel: ink is strong where it covers a whole map pixel
_PEN_EDGE_OD = 0.10
_PEN_UNIFORM = 0.75  # lightest over mean density in green: ink has no gaps, nuclei do
_PEN_MIN_MM2 = 0.004
_PEN_RIM_UM = 8.0  # faded edge of a stroke
_PEN_FADE_UM = 24.0
_PEN_FADE_OD = 0.03
_PEN_HOLE_UM = 24.0
# Bits of what a colour may be.
_BLUE, _GREEN, _RED, _BLACK, _STRONG, _EDGE, _FAINT = (np.uint8(1 << k) for k in range(7))
_GREY_SPREAD = 0.25  # largest relative difference of channels in black ink

_PIGMENT_PX = 6  # dark grey pixels of a map pixel: 1.5 um2, two grains
_PIGMENT_AROUND_PX = 20  # in 3 x 3 map pixels: a clump
_BROWN_SHARE = 0.4  # of the grey pixels: darkest DAB is grey too, but lies among brown

_RING_PX = 24  # dark grey pixels of a map pixel that a bubble's rim crosses
_RING_MIN_UM = 40.0
_RING_ROUND = 0.7  # filled area over that of the disc of its longest side
_RING_HOLLOW = 0.25  # least share of hole in the filled area


def pen(survey: Survey, od: MeanOd, um: float) -> BoolMap:
    """Marker ink, on tissue or glass.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    od : MeanOd
        Mean optical density of map pixels in red, green and blue.
    um : float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Strokes at least 0.004 mm2 large in blue, green, red or black, with their faded edges.
    """
    told = _inks(survey, od)
    found = np.zeros(survey.shape, dtype=bool)
    for ink in (_BLUE, _GREEN, _RED, _BLACK):
        sure = at_least(_is(told, ink | _STRONG), _PEN_MIN_MM2 * 1e6 / (um * um))
        if sure.any():
            found |= sure | (grown(sure, round(_PEN_RIM_UM / um)) & _is(told, _EDGE))
            if ink != _BLACK:
                # coloured ink is told from tissue however thin it lies
                found |= grown(sure, round(_PEN_FADE_UM / um)) & _is(told, ink | _FAINT)
    # dark tissue under a stroke is no hole in it, and its grey edge no pigment
    inside = closed(found, round(_PEN_HOLE_UM / um)) if found.any() else found
    return np.asarray(inside | (pigment(survey) & grown(found, 2)))


def _is(told: npt.NDArray[np.uint8], bits: np.uint8) -> BoolMap:
    """Where all of some bits are told."""
    return np.asarray((told & bits) == bits)


def _inks(survey: Survey, od: MeanOd) -> npt.NDArray[np.uint8]:
    """Colours of blue, green, red and black ink; where it would be strong and whole, an edge, or faint."""
    told = np.zeros(survey.shape, np.uint8)
    for band in bands(len(survey.counted)):
        red, green, blue = od.channels(band)
        most, least = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        # haematoxylin: green at least 0.65 of red in strong stain, blue at least 0.17 of red and nearer 0.4
        told[band] |= _BLUE * ((blue <= 0.28 * red) & (green <= 0.8 * red) & (green >= 0.35 * red))
        # no stain absorbs green less than both red and blue
        told[band] |= _GREEN * ((green <= 0.6 * red) & (green <= 0.75 * blue))
        # eosin and DAB leave more red out, or absorb blue less beside green
        told[band] |= _RED * ((red <= 0.2 * green) & (blue >= 0.5 * green))
        told[band] |= _BLACK * ((most - least <= _GREY_SPREAD * most) & (survey.brown[band] == 0))
        told[band] |= _STRONG * (_is_uniform(survey, green, band) & (most >= _PEN_OD))
        told[band] |= _EDGE * (most >= _PEN_EDGE_OD)
        told[band] |= _FAINT * (most >= _PEN_FADE_OD)
    return told


def pigment(survey: Survey) -> BoolMap:
    """Clumps of dark grey grains without DAB around them.

    Parameters
    ----------
    survey : Survey
        Of the working plane.

    Returns
    -------
    ndarray of bool, shape (h, w)
    """
    clump = survey.grey >= _PIGMENT_PX
    for (band, grey), (_, brown) in zip(band_sums(survey.grey, 1), band_sums(survey.brown, 1), strict=True):
        clump[band] &= (grey >= _PIGMENT_AROUND_PX) & (brown <= _BROWN_SHARE * grey)
    return np.asarray(clump)


def bubbles(survey: Survey, um: float) -> BoolMap:
    """Air bubbles: round dark grey rims and what they enclose.

    Parameters
    ----------
    survey : Survey
        Of the working plane.
    um : float
        Micrometres per map pixel.

    Returns
    -------
    ndarray of bool, shape (h, w)
        Filled discs, rim included.
    """
    rim = survey.grey + survey.black.astype(np.int64) >= _RING_PX
    labels, boxes = parts(closed(rim, 1))
    found = np.zeros(survey.shape, dtype=bool)
    for index in np.flatnonzero(boxes[:, 2:4].min(axis=1) * um >= _RING_MIN_UM):
        if index == 0:
            continue
        here = window(boxes[index], 1)
        ring = labels[here] == index
        stained = survey.brown[here][ring].sum() > _BROWN_SHARE * survey.grey[here][ring].sum()
        disc = None if stained else _disc(ring)
        if disc is not None:
            found[here] |= disc
    return found


def _disc(ring: BoolMap) -> BoolMap | None:
    """Ring with its interior, when the whole is round and the interior large."""
    filled = np.zeros(ring.shape, np.uint8)
    contours, _ = cv2.findContours(ring.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, contours, -1, 1, thickness=cv2.FILLED)
    area = int(filled.sum())
    rows, columns = np.nonzero(filled)
    longest = max(int(np.ptp(rows)), int(np.ptp(columns))) + 1
    hole = area - int(ring.sum())
    if area < _RING_ROUND * np.pi * longest * longest / 4.0 or hole < _RING_HOLLOW * area:
        return None
    return filled > 0


def _is_uniform(survey: Survey, green_od: FloatMap, band: slice) -> BoolMap:
    """Where in a band the density of the lightest cell, from intensities, is near that of the mean."""
    columns = survey.shape[1]
    cells = survey.light[band.start * CELLS : band.stop * CELLS].reshape(-1, CELLS, columns, CELLS)
    rows_of_four = cells.max(axis=1)
    lightest = rows_of_four[..., 0].astype(np.float32)
    for k in range(1, CELLS):
        np.maximum(lightest, rows_of_four[..., k], out=lightest)
    mean = np.maximum(survey.sums[band, :, 1] / np.maximum(survey.counted[band], 1), 1.0)
    extra = np.log10(np.maximum(lightest, 1.0) / mean)
    return np.asarray(1.0 - extra / np.maximum(green_od, 1e-3) >= _PEN_UNIFORM)
