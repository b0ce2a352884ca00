"""A density map over the slide's thumbnail, with a colour bar in 1/mm2."""

from __future__ import annotations

import math
from functools import cache

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from numba import njit
from PIL import Image, ImageDraw

from histoquant.metrics.density_map import DensityMap
from histoquant.report.canvas import Picture, wash
from histoquant.report.legend import Entry, draw_strip, font
from histoquant.report.marks import Caption
from histoquant.report.palette import INK, PAPER, TISSUE
from histoquant.report.thumbnail import Glance, exclusion_entries

_Floats = npt.NDArray[np.float32]
_Bytes = npt.NDArray[np.uint8]

_COLOURS = "viridis"  # even steps to the eye, also to the colour-blind and in grey
_ALPHA = 0.72  # the tissue's folds and borders stay visible
_TICKS = 5
_FONT_SHARE = 1 / 36  # as the thumbnail it is shown beside


def bar_top(highest_per_mm2: float) -> float:
    """Return the upper end of the bar: 1, 2 or 5 times a power of ten, not below the highest density."""
    if highest_per_mm2 <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest_per_mm2))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest_per_mm2 * (1 - 1e-9))


@cache
def _palette() -> npt.NDArray[np.uint8]:
    """Return 256 colours, uint8 (256, 3)."""
    shades = matplotlib.colormaps[_COLOURS](np.arange(256))[:, :3]
    return np.asarray(np.rint(255 * shades), np.uint8)


def _paint_density(image: Picture, density: DensityMap, glance: Glance, top_per_mm2: float) -> None:
    """Mix the map's colours into the picture, map pixels smoothed, tissue only."""
    shape = (image.shape[0], image.shape[1])
    known = np.isfinite(density.per_mm2)
    sx, sy = glance.mpp / density.um_x, glance.mpp / density.um_y
    matrix = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]])

    def laid_over(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(values, matrix, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE),
            np.float32,
        )

    weight = laid_over(known.astype(np.float32))
    value = laid_over(np.where(known, density.per_mm2, 0.0).astype(np.float32))
    shade, inside = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    _shade(value, weight, glance.edge.inside, np.float32(top_per_mm2 / 255), shade, inside)
    color = cv2.applyColorMap(shade, _palette()[:, None])
    cv2.copyTo(cv2.addWeighted(image, 1 - _ALPHA, color, _ALPHA, 0.0), inside, image)


@njit(cache=True, nogil=True, error_model="numpy")
def _shade(
    value: _Floats, weight: _Floats, tissue: _Bytes, step: np.float32, shade: _Bytes, inside: _Bytes
) -> None:
    """Where in the palette a density lies, by steps of so many 1/mm2, and whether it is painted."""
    least, most = np.float32(1e-9), np.float32(255)
    for y in range(len(value)):
        for x in range(value.shape[1]):
            # divided by the weight: no dark rim where the map ends; where there is next to none, nothing
            level = value[y, x] / max(weight[y, x] * step, least)
            shade[y, x] = np.uint8(min(max(np.rint(level), np.float32(0)), most))
            inside[y, x] = tissue[y, x] & np.uint8(weight[y, x] > np.float32(0.05))


def _bar(height: int, em: int, top_per_mm2: float, unit: str) -> Picture:
    """Draw the colour bar with ticks, uint8 (height, w, 3)."""
    face = font(em)
    labels = [f"{top_per_mm2 * k / (_TICKS - 1):g}" for k in range(_TICKS)]
    words = max(face.getlength(text) for text in [*labels, unit])
    width, pad = round(em * 2.6 + words), round(em * 0.8)
    panel = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(panel)
    draw.text((pad, pad), unit, fill=INK, font=face, anchor="la")
    top, bottom = pad + round(em * 1.9), height - pad - em // 2
    length = max(2, bottom - top)
    ramp = _palette()[np.linspace(255, 0, length).round().astype(int)][:, None].repeat(em, axis=1)
    panel.paste(Image.fromarray(np.ascontiguousarray(ramp)), (pad, top))
    for k, text in enumerate(labels):
        y = top + round((length - 1) * (1 - k / (_TICKS - 1)))
        draw.line((pad + em, y, pad + em + em // 3, y), fill=INK, width=max(1, em // 12))
        draw.text((pad + em + em // 2, y), text, fill=INK, font=face, anchor="lm")
    return np.asarray(panel, np.uint8)


def draw_density(glance: Glance, density: DensityMap, caption: Caption, what: str) -> Picture:
    """Draw a density map over the slide's overview.

    Parameters
    ----------
    glance : Glance
        The slide.
    density : DensityMap
        Anchored at the same corner.
    caption : Caption
    what : str
        What is counted, for the legend: ``vessels`` or ``CD68+ cells``.

    Returns
    -------
    uint8 (h', w', 3)
        RGB picture with colour bar and legend strip.
    """
    image = wash(glance.rgb, 0.25, 0.8)
    top = bar_top(density.highest_per_mm2)
    _paint_density(image, density, glance, top)
    glance.paint_tissue(image)
    em = max(13, round(image.shape[1] * _FONT_SHARE))
    bar = _bar(image.shape[0], em, top, "per mm²")
    kernel = f"{what} per mm², kernel {density.bandwidth_um:g} µm"
    red, green, blue = (int(c) for c in _palette()[170])
    entries = [Entry(kernel, "dot", (red, green, blue)), Entry("tissue", "line", TISSUE)]
    entries += exclusion_entries(glance.tissue)
    width = image.shape[1] + bar.shape[1]
    strip = draw_strip(width, glance.mpp, entries, caption, _FONT_SHARE)
    picture = np.empty((len(image) + len(strip), width, 3), np.uint8)
    picture[: len(image), : image.shape[1]] = image
    picture[: len(image), image.shape[1] :] = bar
    picture[len(image) :] = strip
    return picture
