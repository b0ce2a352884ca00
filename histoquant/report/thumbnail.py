"""The slide at a glance: tissue outlined, excluded areas hatched by reason."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.report.canvas import (
    Picture,
    check_rgb,
    contour_polygons,
    fit,
    half,
    paint_hatch,
    stroke,
    warp_map,
)
from histoquant.report.legend import Entry, add_strip
from histoquant.report.marks import Caption, TissueMarks
from histoquant.report.palette import HALO_LIGHT, TISSUE, hatch_for
from histoquant.report.sizes import THUMBNAIL_PX

_FONT_SHARE = 1 / 36  # the report shows thumbnails 320 px wide: text 9 px high there


def exclusion_entries(tissue: TissueMarks) -> list[Entry]:
    """Return one legend entry per exclusion reason present, with its share of the tissue."""
    if tissue.excluded is None:
        return []
    total = max(1, int(np.count_nonzero(tissue.tissue | (tissue.excluded > 0))))
    entries = []
    for code in tissue.codes():
        name = tissue.reason_name(code)
        share = 100.0 * int(np.count_nonzero(tissue.excluded == code)) / total
        hatch = hatch_for(name)
        amount = f"{share:.0f} %" if share >= 0.95 else "< 1 %"
        entries.append(Entry(f"excluded: {name} {amount}", "hatch", hatch.color, hatch))
    return entries


def paint_exclusions(
    image: Picture,
    tissue: TissueMarks,
    mpp: float,
    period_px: int,
    origin_um: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Hatch every excluded area of a picture at ``mpp`` whose corner lies at ``origin_um``."""
    if tissue.excluded is None:
        return
    shape = (image.shape[0], image.shape[1])
    for code in tissue.codes():
        on = (tissue.excluded == code).astype(np.uint8) * np.uint8(255)
        soft = warp_map(on, tissue.um_per_map_px, shape, mpp, origin_um, smooth=True)
        mask = half(soft)
        paint_hatch(image, mask, hatch_for(tissue.reason_name(code)), period_px)


def paint_tissue_edge(
    image: Picture,
    tissue: TissueMarks,
    mpp: float,
    width_px: int,
    origin_um: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Outline the tissue of a picture at ``mpp`` whose corner lies at ``origin_um``."""
    shape = (image.shape[0], image.shape[1])
    on = tissue.tissue.astype(np.uint8) * np.uint8(255)
    on = np.asarray(cv2.GaussianBlur(on, (5, 5), 0), np.uint8)  # rounds the stairs of the coarse map
    soft = warp_map(on, tissue.um_per_map_px, shape, mpp, origin_um, smooth=True)
    stroke(image, contour_polygons(half(soft)), TISSUE, width_px, halo=HALO_LIGHT)


def draw_thumbnail(
    overview_rgb: npt.NDArray[np.uint8], mpp: float, tissue: TissueMarks, caption: Caption
) -> Picture:
    """Draw the slide overview with tissue outline, exclusions, legend and scale bar.

    Parameters
    ----------
    overview_rgb : uint8 (h, w, 3)
        The whole slide from its top-left corner; shrunk to ``THUMBNAIL_PX`` if larger.
    mpp : float
        Micrometres per pixel of ``overview_rgb``.
    tissue : TissueMarks
        Maps anchored at the same corner.
    caption : Caption

    Returns
    -------
    uint8 (h', w', 3)
        RGB picture with the legend strip below.
    """
    whole = check_rgb(overview_rgb)
    image = fit(whole, THUMBNAIL_PX).copy()
    mpp = mpp * max(whole.shape[:2]) / max(image.shape[:2])
    unit = max(image.shape[:2]) / THUMBNAIL_PX
    paint_exclusions(image, tissue, mpp, max(5, round(9 * unit)))
    paint_tissue_edge(image, tissue, mpp, max(1, round(1.6 * unit)))
    entries = [Entry("tissue", "line", TISSUE), *exclusion_entries(tissue)]
    return add_strip(image, mpp, entries, caption, _FONT_SHARE)
