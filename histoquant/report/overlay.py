"""The overlay: which cells were called positive, which vessels and aggregates were found.

It is read twice: shown whole at about 1000 px, where positives must be seen at a glance, and at full size,
where each call is checked against its nucleus. Mark sizes therefore follow the larger of the two needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from histoquant.report.canvas import (
    Picture,
    blend,
    check_rgb,
    fill_mask,
    paint_dots,
    stroke,
    wash,
)
from histoquant.report.legend import Entry, draw_strip
from histoquant.report.marks import Caption, CellMarks, Marks, Polygons, VesselMarks
from histoquant.report.palette import AGGREGATE, HALO_DARK, HALO_LIGHT, NEGATIVE, POSITIVE, TISSUE, VESSEL
from histoquant.report.thumbnail import TissueEdge, exclusion_entries, paint_exclusions

GLANCE_PX = 1000  # width at which a person first sees the whole picture
CELL_UM = 9.0  # diameter of a lymphocyte or small macrophage outline, sets sizes only
_OUTLINE_FROM_PX = 9.0  # narrower outlines close up into noise (looked at 7.5 px): draw dots
_MAX_ENLARGE = 4


@dataclass(frozen=True)
class Scale:
    """Mark sizes for one picture; all in its pixels.

    Parameters
    ----------
    longest_px : int
        Longest side of the picture.
    mpp : float
        Micrometres per pixel.
    """

    longest_px: int
    mpp: float

    @property
    def unit(self) -> float:
        """Picture pixels per pixel of the 1000-px view, at least 1."""
        return max(1.0, self.longest_px / GLANCE_PX)

    @property
    def cell_px(self) -> float:
        """Diameter of a cell."""
        return CELL_UM / self.mpp

    @property
    def outlines(self) -> bool:
        """Whether cells are wide enough for outlines."""
        return self.cell_px >= _OUTLINE_FROM_PX

    @property
    def smallness(self) -> float:
        """0 where a cell is 16 px or wider in the 1000-px view, 1 where it is 4 px or narrower."""
        return float(np.clip((16.0 - self.cell_px / self.unit) / 12.0, 0.0, 1.0))

    def line_px(self, at_glance: float) -> int:
        """Line width that measures ``at_glance`` pixels in the 1000-px view."""
        return max(1, round(at_glance * self.unit))


def _enlarge(rgb: Picture) -> tuple[Picture, int]:
    """Enlarge a field image by a whole factor until it fills the 1000-px view."""
    factor = min(_MAX_ENLARGE, math.ceil(GLANCE_PX / max(rgb.shape[:2])))
    if factor <= 1:
        return rgb, 1
    size = (rgb.shape[1] * factor, rgb.shape[0] * factor)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), np.uint8), factor


def _circles(cells: CellMarks, radius_px: float) -> Polygons:
    """Return a regular polygon round each centre, for tables without outlines."""
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = radius_px * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centre = np.stack([cells.x_px, cells.y_px], axis=1)
    points = (centre[:, None, :] + ring[None]).reshape(-1, 2).astype(np.float32)
    return Polygons(points, np.arange(len(cells) + 1, dtype=np.int64) * len(angle))


def _outline_cells(image: Picture, cells: CellMarks, positive: npt.NDArray[np.bool_], scale: Scale) -> None:
    outlines = cells.outlines if cells.outlines is not None else _circles(cells, scale.cell_px / 2)
    shown, hidden = outlines.select(positive), outlines.select(~positive)
    stroke(image, hidden, NEGATIVE, 1 if scale.cell_px < 24 else 2)
    if len(shown):
        mask = fill_mask((image.shape[0], image.shape[1]), shown)
        blend(image, mask, POSITIVE, 0.08 + 0.55 * scale.smallness)
    width = max(2, min(round(scale.cell_px / 9), scale.line_px(0.9)))
    stroke(image, shown, POSITIVE, width, halo=HALO_LIGHT)


def dot_diameter_px(count: int, area_px: float, scale: Scale, at_glance: float) -> float:
    """Return a dot size seen in the 1000-px view that still leaves crowded dots apart where it can."""
    spacing = math.sqrt(area_px / max(1, count))
    seen = at_glance * scale.unit
    return max(scale.cell_px, 0.5 * seen, min(seen, 0.75 * spacing))


def _dot_cells(image: Picture, cells: CellMarks, positive: npt.NDArray[np.bool_], scale: Scale) -> None:
    area = image.shape[0] * image.shape[1] * 0.4  # biopsies fill about 0.4 of their picture
    small = dot_diameter_px(len(cells), area, scale, 1.0)
    paint_dots(image, _centres(cells, ~positive), NEGATIVE, min(small, 0.8 * scale.unit + 1), alpha=0.55)
    large = dot_diameter_px(int(np.count_nonzero(positive)), area, scale, 3.4)
    paint_dots(image, _centres(cells, positive), POSITIVE, large, halo_px=max(1.0, 0.4 * scale.unit))


def _centres(cells: CellMarks, which: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    centres = np.empty((int(np.count_nonzero(which)), 2))
    centres[:, 0] = cells.x_px[which]
    centres[:, 1] = cells.y_px[which]
    return centres


def paint_cells(image: Picture, cells: CellMarks, scale: Scale) -> None:
    """Paint cells in place: outlines where they can be read, dots elsewhere; positives last."""
    if not len(cells):
        return
    positive = cells.positive if cells.positive is not None else np.zeros(len(cells), bool)
    (_outline_cells if scale.outlines else _dot_cells)(image, cells, positive, scale)


def paint_vessels(image: Picture, vessels: VesselMarks, scale: Scale) -> None:
    """Paint vessels in place: lumens filled, walls outlined in yellow on a dark edge."""
    shape = (image.shape[0], image.shape[1])
    blend(image, fill_mask(shape, vessels.walls), VESSEL, 0.15 + 0.35 * scale.smallness)
    blend(image, fill_mask(shape, vessels.lumens), VESSEL, 0.45)
    stroke(image, vessels.lumens, HALO_DARK, 1)
    stroke(image, vessels.walls, VESSEL, max(2, scale.line_px(1.6)), halo=HALO_DARK)


def legend_entries(marks: Marks, marker: str, outlines: bool) -> list[Entry]:
    """Return the legend with counts, in words that claim no more than the stain shows."""
    kind = "ring" if outlines else "dot"
    entries = []
    cells = marks.cells
    if cells is not None and cells.positive is not None:
        count = int(np.count_nonzero(cells.positive))
        entries.append(Entry(f"{marker or 'marker'}+ cells {count:,}", kind, POSITIVE))
        entries.append(Entry(f"negative cells {len(cells) - count:,}", kind, NEGATIVE))
    elif cells is not None:
        entries.append(Entry(f"nuclei {len(cells):,}", kind, NEGATIVE))
    if marks.vessels is not None:
        entries.append(Entry(f"vessels {len(marks.vessels.walls):,} (lumen filled)", "vessel", VESSEL))
    if marks.aggregates is not None:
        entries.append(Entry(f"aggregates {len(marks.aggregates):,}", "area", AGGREGATE))
    if marks.tissue is not None:
        entries.append(Entry("tissue edge", "line", TISSUE))
        entries.extend(exclusion_entries(marks.tissue))
    return entries


def paint_marks(
    image: Picture, mpp: float, marks: Marks, scale: Scale, origin_um: tuple[float, float] = (0.0, 0.0)
) -> None:
    """Paint every mark in place, the most important last."""
    if marks.tissue is not None:
        paint_exclusions(image, marks.tissue, mpp, max(8, round(9 * scale.unit)), origin_um)
        edge = TissueEdge.of(marks.tissue, (image.shape[0], image.shape[1]), mpp, origin_um)
        edge.paint(image, scale.line_px(1.0))
    if marks.vessels is not None:
        paint_vessels(image, marks.vessels, scale)
    if marks.cells is not None:
        paint_cells(image, marks.cells, scale)
    if marks.aggregates is not None:
        stroke(image, marks.aggregates, AGGREGATE, max(3, scale.line_px(3.0)), halo=HALO_LIGHT)


def draw_overlay(rgb: npt.NDArray[np.uint8], mpp: float, marks: Marks, caption: Caption) -> Picture:
    """Draw cells, vessels, aggregates and exclusions over a picture, with legend and scale bar.

    Parameters
    ----------
    rgb : uint8 (h, w, 3)
        The picture; up to about ``OVERLAY_PX`` on its longest side. Pictures smaller than ``GLANCE_PX`` are
        enlarged by a whole factor first.
    mpp : float
        Micrometres per pixel of ``rgb``.
    marks : Marks
        Coordinates in pixels of ``rgb``; the tissue map in micrometres from its top-left corner.
    caption : Caption

    Returns
    -------
    uint8 (h', w', 3)
        RGB picture with the legend strip below; the input is not changed.
    """
    image, factor = _enlarge(check_rgb(rgb))
    mpp /= factor
    marks = marks.scaled(factor) if factor > 1 else marks
    scale = Scale(max(image.shape[:2]), mpp)
    height, width = image.shape[:2]
    strip = draw_strip(width, mpp, legend_entries(marks, caption.marker, scale.outlines), caption)
    # painted where it will stay: up to 48 MB are not copied for the sake of a strip
    picture = np.empty((height + len(strip), width, 3), np.uint8)
    picture[height:] = strip
    shown = wash(image, 0.12 + 0.28 * scale.smallness, 0.1 + 0.5 * scale.smallness, picture[:height])
    paint_marks(shown, mpp, marks, scale)
    return picture
