"""A density map over the slide's thumbnail, with a colour bar in 1/mm2."""

from __future__ import annotations

import math
from functools import cache

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from histoquant.metrics.density_map import DensityMap
from histoquant.report.canvas import Picture, wash
from histoquant.report.legend import Entry, add_strip, font
from histoquant.report.marks import Caption
from histoquant.report.palette import INK, PAPER, TISSUE
from histoquant.report.thumbnail import Glance, exclusion_entries

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
    inside = glance.edge.inside & (weight > 0.05).view(np.uint8)
    # divided by the weight: no dark rim where the map ends; where there is next to none nothing is painted
    level = value / np.maximum(weight * np.float32(top_per_mm2 / 255), np.float32(1e-9))
    shade = np.clip(np.rint(level, out=level), 0, 255, out=level).astype(np.uint8)
    color = cv2.applyColorMap(shade, _palette()[:, None])
    cv2.copyTo(cv2.addWeighted(image, 1 - _ALPHA, color, _ALPHA, 0.0), inside, image)


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
    picture = np.concatenate([image, _bar(image.shape[0], em, top, "per mm²")], axis=1)
    kernel = f"{what} per mm², kernel {density.bandwidth_um:g} µm"
    red, green, blue = (int(c) for c in _palette()[170])
    entries = [Entry(kernel, "dot", (red, green, blue)), Entry("tissue", "line", TISSUE)]
    return add_strip(picture, glance.mpp, [*entries, *exclusion_entries(glance.tissue)], caption, _FONT_SHARE)
