"""The slide at a glance: tissue outlined, excluded areas hatched by reason."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.report.canvas import (
    Mask,
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
from histoquant.report.marks import Caption, Polygons, TissueMarks
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


@dataclass(frozen=True, eq=False)
class TissueEdge:
    """Where the tissue ends in a picture.

    Attributes
    ----------
    inside : ndarray of uint8, shape (h, w)
        255 in tissue, else 0.
    outline : Polygons
        In pixels of the picture.
    """

    inside: Mask
    outline: Polygons

    @classmethod
    def of(
        cls,
        tissue: TissueMarks,
        shape: tuple[int, int],
        mpp: float,
        origin_um: tuple[float, float] = (0.0, 0.0),
    ) -> TissueEdge:
        """Edge in a picture of ``shape`` (h, w) at ``mpp`` whose corner lies at ``origin_um``."""
        on = tissue.tissue.astype(np.uint8) * np.uint8(255)
        on = np.asarray(cv2.GaussianBlur(on, (5, 5), 0), np.uint8)  # rounds the stairs of the coarse map
        inside = half(warp_map(on, tissue.um_per_map_px, shape, mpp, origin_um, smooth=True))
        return cls(inside, contour_polygons(inside))

    def paint(self, image: Picture, width_px: int) -> None:
        """Outline the tissue."""
        stroke(image, self.outline, TISSUE, width_px, halo=HALO_LIGHT)


@dataclass(frozen=True, eq=False)
class Glance:
    """The whole slide as thumbnail and density map begin with it.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        At most ``THUMBNAIL_PX`` long; not to be painted on.
    mpp : float
        Its micrometres per pixel.
    tissue : TissueMarks
        Maps anchored at the same corner.
    edge : TissueEdge
        Of that tissue.
    """

    rgb: Picture
    mpp: float
    tissue: TissueMarks
    edge: TissueEdge

    @classmethod
    def of(cls, overview_rgb: npt.NDArray[np.uint8], mpp: float, tissue: TissueMarks) -> Glance:
        """Shrink an overview, of ``mpp``, that begins at the slide's top-left corner."""
        whole = check_rgb(overview_rgb)
        rgb = fit(whole, THUMBNAIL_PX)
        mpp = mpp * max(whole.shape[:2]) / max(rgb.shape[:2])
        return cls(rgb, mpp, tissue, TissueEdge.of(tissue, (rgb.shape[0], rgb.shape[1]), mpp))

    def paint_tissue(self, image: Picture) -> None:
        """Hatch what is excluded and outline the tissue, on a picture of the same size."""
        unit = max(image.shape[:2]) / THUMBNAIL_PX
        paint_exclusions(image, self.tissue, self.mpp, max(5, round(9 * unit)))
        self.edge.paint(image, max(1, round(1.6 * unit)))


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
    return draw_glance(Glance.of(overview_rgb, mpp, tissue), caption)


def draw_glance(glance: Glance, caption: Caption) -> Picture:
    """Draw the thumbnail; see `draw_thumbnail`."""
    image = glance.rgb.copy()
    glance.paint_tissue(image)
    entries = [Entry("tissue", "line", TISSUE), *exclusion_entries(glance.tissue)]
    return add_strip(image, glance.mpp, entries, caption, _FONT_SHARE)
