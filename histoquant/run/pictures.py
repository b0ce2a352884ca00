"""A slide's pictures, drawn from its tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from histoquant.report import (
    OVERLAY_PX,
    THUMBNAIL_PX,
    Caption,
    CellMarks,
    Marks,
    Polygons,
    TissueMarks,
    VesselMarks,
    draw_fields,
    draw_overlay,
)
from histoquant.report.fields import shown_cells
from histoquant.report.overlay import Scale
from histoquant.report.pictures import Part, png_parts
from histoquant.report.sizes import SHOWN_PX
from histoquant.report.thumbnail import Glance, draw_glance
from histoquant.run.assemble import SlideResult
from histoquant.run.backgrounds import Backgrounds, Frame
from histoquant.run.density import density_files
from histoquant.run.plan import Planned
from histoquant.slides import Plane, Slide
from histoquant.slides.plane import SNAP
from histoquant.tiling.artefacts import EXCLUSIONS

DRAWN_COLUMNS = ("x_px", "y_px", "x_um", "y_um", "positive")
"""What pictures need of the cells beside their outlines."""

_READ = Backgrounds()  # nothing was kept: every picture reads the slide


def draw_pictures(
    slide: Slide,
    plane: Plane,
    planned: Planned,
    result: SlideResult,
    name: str,
    backgrounds: Backgrounds = _READ,
) -> dict[str, list[Part]]:
    """Files in parts by name: thumbnail, overlay, full-resolution fields, and the density map with its array.

    The slide itself is read for what ``backgrounds`` does not hold.
    """
    caption = Caption(name, planned.plan.marker.name)
    glance = Glance.of(*_overview(slide, planned, backgrounds), _tissue_marks(planned))
    # encoded at once: an overlay of a large slide is 50 MB
    files = {
        "thumbnail.png": png_parts(draw_glance(glance, caption), SHOWN_PX["thumbnail.png"]),
        "overlay.png": png_parts(overlay_rgb(slide, plane, planned, result, name, backgrounds)),
    }

    def read(x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        return plane.read(x, y, width, height)[0]

    marks = _marks(planned, result, planned.plan.plane_mpp)
    fields = draw_fields(read, plane.size_px, planned.plan.plane_mpp, marks, caption)
    if fields is not None:
        files["fields.png"] = png_parts(fields)
    return files | density_files(glance, planned, result, caption)


def outlined_cells(planned: Planned, result: SlideResult) -> NDArray[np.bool_]:
    """Cells whose outlines the pictures draw: all of a small slide, of a large one those in its fields."""
    shrink = Frame.around(planned.tissue).shrink
    # a plane may come out finer than it was asked for by as much as is taken for a whole factor
    finest_mpp = planned.plan.plane_mpp * shrink * (1 - 2 * SNAP)
    if Scale(OVERLAY_PX, finest_mpp).outlines:
        return np.ones(len(result.cells), bool)
    cells = _marks(planned, result, planned.plan.plane_mpp).cells
    return shown_cells(planned.plan.plane_size_px, planned.plan.plane_mpp, Marks(cells))


def _overview(slide: Slide, planned: Planned, backgrounds: Backgrounds) -> tuple[NDArray[np.uint8], float]:
    """The whole slide at thumbnail size, and its um/px."""
    if backgrounds.overview_rgb is not None:
        return backgrounds.overview_rgb, backgrounds.overview_um
    map_mpp = planned.tissue.mpp_xy[0]
    longest_px = max(planned.tissue.tissue.shape)
    plane = slide.plane(max(planned.plan.plane_mpp, map_mpp * longest_px / THUMBNAIL_PX))
    return plane.read(0, 0, *plane.size_px)[0], plane.mpp


def overlay_rgb(
    slide: Slide,
    plane: Plane,
    planned: Planned,
    result: SlideResult,
    name: str,
    backgrounds: Backgrounds = _READ,
) -> NDArray[np.uint8]:
    """Draw what was counted over the tissue, at the working resolution where that fits."""
    frame, map_px = Frame.around(planned.tissue), planned.tissue.scale_px
    if backgrounds.frame_rgb is None:
        rgb, (x, y), mpp = _read_frame(slide, plane, frame, map_px)
    else:
        step, mpp = map_px / frame.shrink, planned.plan.plane_mpp * frame.shrink
        rgb, x, y = backgrounds.frame_rgb, frame.left * step, frame.top * step
    marks = _marks(planned, result, mpp).scaled(1.0, (-x, -y))
    cropped = Marks(marks.cells, marks.vessels, marks.aggregates, _tissue_marks(planned, frame))
    return draw_overlay(rgb, mpp, cropped, Caption(name, planned.plan.marker.name))


def _read_frame(
    slide: Slide, plane: Plane, frame: Frame, map_px: int
) -> tuple[NDArray[np.uint8], tuple[float, float], float]:
    """Pixels of the frame, where they begin on their own grid, and their um/px."""
    shown = plane if frame.shrink == 1 else slide.plane(plane.mpp * frame.shrink)
    step = map_px / frame.shrink
    x, y = round(frame.left * step), round(frame.top * step)
    width = min(round(frame.right * step), shown.size_px[0]) - x
    height = min(round(frame.bottom * step), shown.size_px[1]) - y
    return shown.read(x, y, width, height)[0], (x, y), shown.mpp


def _tissue_marks(planned: Planned, frame: Frame | None = None) -> TissueMarks:
    tissue = planned.tissue
    part = np.s_[:, :] if frame is None else np.s_[frame.top : frame.bottom, frame.left : frame.right]
    return TissueMarks(tissue.tissue[part], tissue.excluded[part], tissue.mpp_xy, EXCLUSIONS)


def _marks(planned: Planned, result: SlideResult, mpp: float) -> Marks:
    """Objects in the pixels of a plane of ``mpp``; tables hold level-0 pixels."""
    level0_mpp = (planned.plan.mpp_xy[0] + planned.plan.mpp_xy[1]) / 2
    factor = level0_mpp / mpp
    cells = result.cells
    positive = cells["positive"].to_numpy(bool) if result.scored else None
    # where cells are drawn as dots their outlines would only take room
    outlined = "outline_xy_px" in cells and Scale(OVERLAY_PX, mpp).outlines
    marks = Marks(
        cells=CellMarks(
            cells["x_px"].to_numpy(np.float64),
            cells["y_px"].to_numpy(np.float64),
            positive,
            _polygons(cells["outline_xy_px"]) if outlined else None,
        ),
        vessels=_vessel_marks(result.vessels) if "vessel_id" in result.vessels else None,
        aggregates=_polygons(result.aggregates["outline_xy_px"])
        if "aggregate_id" in result.aggregates
        else None,
    )
    return marks if factor == 1 else marks.scaled(factor)


def _vessel_marks(vessels: pd.DataFrame) -> VesselMarks:
    true = vessels[vessels["vessel"].to_numpy(bool)]
    lumens = [lumen for all_lumens in true["lumens_xy_px"] for lumen in all_lumens]
    return VesselMarks(_polygons(true["outer_xy_px"]), _polygons(lumens))


def _polygons(flat: pd.Series | list[NDArray[np.float32]]) -> Polygons:
    if isinstance(flat, pd.Series) and isinstance(flat.dtype, pd.ArrowDtype):
        lists = pa.array(flat)
        points = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, 2)
        return Polygons(points, lists.offsets.to_numpy().astype(np.int64) // 2)
    return Polygons.pack(np.asarray(points, np.float32).reshape(-1, 2) for points in flat)
