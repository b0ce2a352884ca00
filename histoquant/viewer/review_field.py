"""A field of the queue ready to be drawn: pixels, cells and vessels, no name and no place on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from histoquant.errors import StoreError
from histoquant.export.object_rings import ObjectRings, cell_rings, vessel_rings
from histoquant.export.slide_objects import SlideObjects, read_objects
from histoquant.report.palette import INK, NEGATIVE, POSITIVE, VESSEL
from histoquant.review.log_file import Item
from histoquant.slides import Slide, open_slide
from histoquant.store.results import load_results
from histoquant.viewer.class_picture import ClassPicture
from histoquant.viewer.layers import find_slide, slide_layer
from histoquant.viewer.slide_overlay import Layer, classes_of, outline_layer, picture_layer, placed

MARGIN_UM = 25.0
"""Shown around a field, so that a cell on its edge is seen whole."""
WHOLE_UM = 2000.0
"""Fields wider than this are read level by level, where they are looked at."""


@dataclass(frozen=True)
class ReviewField:
    """What a reader sees of one item.

    Attributes
    ----------
    marker : str
        What is stained; a reader must know what to score.
    cells : pandas.DataFrame
        ``cell_id, x_um, y_um, positive, dab_od`` of the cells shown, micrometres of the slide.
    classes : ndarray of uint8
        Their classes as drawn; changed in place.
    origin_um : tuple of float
        Where the picture's corner lies on the slide, x and y.
    layers : list of Layer
        Micrometres from that corner: where on the slide it was taken is not told.
    scored : bool
        Whether cells have classes.
    threshold_od : float
        Threshold of the run; NaN where none applies.
    """

    marker: str
    cells: pd.DataFrame
    classes: NDArray[np.uint8]
    origin_um: tuple[float, float]
    layers: list[Layer]
    scored: bool
    threshold_od: float


class FieldSource:
    """Reads fields; keeps the slide it read last open.

    Parameters
    ----------
    root : Path
        Results folder.
    folder : Path, optional
        Where the slides are; default: beside the results.
    """

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        self._root = root
        self._folder = folder
        self._slides = load_results(root).slides.set_index("slide_id")
        self._open: tuple[str, Slide, SlideObjects] | None = None

    def close(self) -> None:
        """Close the slide."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def field(self, item: Item) -> ReviewField:
        """Read one field.

        Raises
        ------
        StoreError
            If its slide or its results are not there.
        """
        slide, objects = self._of(item.slide_id)
        row = self._slides.loc[item.slide_id]
        left, top, right, bottom = _window(slide, item)
        mpp_x, mpp_y = slide.mpp_xy
        origin_um = (left * mpp_x, top * mpp_y)
        cells = objects.cells
        x_um, y_um = (cells[name].to_numpy(zero_copy_only=False) for name in ("x_um", "y_um"))
        shown = (
            (x_um >= origin_um[0]) & (x_um < right * mpp_x) & (y_um >= origin_um[1]) & (y_um < bottom * mpp_y)
        )
        rows = np.flatnonzero(shown)
        part = cells.take(rows)
        frame = part.select(["cell_id", "x_um", "y_um", "positive", "dab_od"]).to_pandas()
        classes = classes_of(frame["positive"].fillna(False).to_numpy(bool))
        rings = cell_rings(part["outline_xy_px"].combine_chunks(), objects.factor_xy)
        size_um = ((right - left) * mpp_x, (bottom - top) * mpp_y)
        layers = [_image(slide, item, (left, top, right, bottom))]
        if not objects.vessels.empty:
            true = objects.vessels[objects.vessels["vessel"].to_numpy(bool)]
            drawn = vessel_rings(true, objects.factor_xy)
            ones = np.ones(len(true), np.uint8)
            layers.append(_picture("vessels", drawn, ones, objects, origin_um, size_um, {1: VESSEL}, 2))
        colours = {1: NEGATIVE, 2: POSITIVE}
        layers.append(_picture("cells", rings, classes, objects, origin_um, size_um, colours, 1))
        layers.append(_border(item, origin_um))
        scored = bool(pd.notna(row.get("positive")))
        threshold_od = float(str(row["dab_threshold_od"])) if scored else float("nan")
        return ReviewField(str(row["marker"]), frame, classes, origin_um, layers, scored, threshold_od)

    def _of(self, slide_id: str) -> tuple[Slide, SlideObjects]:
        if self._open is not None and self._open[0] == slide_id:
            return self._open[1], self._open[2]
        self.close()
        row = self._slides.loc[slide_id]
        path = find_slide(self._root, str(row["file"]), self._folder)
        if path is None:
            raise StoreError("a slide of the queue is not beside the results. Name its folder with --slides.")
        slide, objects = open_slide(path, mpp=float(str(row["mpp"]))), read_objects(self._root, slide_id)
        self._open = (slide_id, slide, objects)
        return slide, objects


def _window(slide: Slide, item: Item) -> tuple[int, int, int, int]:
    """Level-0 pixels of a field with its margin: left, top, right, bottom."""
    (mpp_x, mpp_y), (width, height) = slide.mpp_xy, slide.size_px
    left = max(0, int((item.x_um - MARGIN_UM) / mpp_x))
    top = max(0, int((item.y_um - MARGIN_UM) / mpp_y))
    right = min(width, int((item.x_um + item.width_um + MARGIN_UM) / mpp_x))
    bottom = min(height, int((item.y_um + item.height_um + MARGIN_UM) / mpp_y))
    return left, top, right, bottom


def _image(slide: Slide, item: Item, window: tuple[int, int, int, int]) -> Layer:
    if max(item.width_um, item.height_um) > WHOLE_UM:
        return slide_layer(slide, "image")
    left, top, right, bottom = window
    rgb, _ = slide.read_level0(left, top, right - left, bottom - top)
    mpp_x, mpp_y = slide.mpp_xy
    return rgb, {"name": "image", "rgb": True, "interpolation2d": "linear", **placed((mpp_y, mpp_x))}, "image"


def _picture(
    name: str,
    rings: ObjectRings,
    classes: NDArray[np.uint8],
    objects: SlideObjects,
    origin_um: tuple[float, float],
    size_um: tuple[float, float],
    colours: Any,
    outline_px: int,
) -> Layer:
    mpp_x, mpp_y = objects.plane_mpp_xy
    corner_px = (int(origin_um[0] / mpp_x), int(origin_um[1] / mpp_y))
    moved = ObjectRings(rings.offsets, rings.corners - np.array(corner_px, np.int32), rings.owner)
    size_px = (int(np.ceil(size_um[0] / mpp_x)) + 1, int(np.ceil(size_um[1] / mpp_y)) + 1)
    levels = ClassPicture.levels(moved, classes, size_px, outline_px)
    layer = picture_layer(name, levels, colours, (mpp_x, mpp_y))
    layer[1]["translate"] = (
        corner_px[1] * mpp_y - origin_um[1] + mpp_y / 2,
        corner_px[0] * mpp_x - origin_um[0] + mpp_x / 2,
    )
    return layer


def _border(item: Item, origin_um: tuple[float, float]) -> Layer:
    left, top = item.x_um - origin_um[0], item.y_um - origin_um[1]
    right, bottom = left + item.width_um, top + item.height_um
    ring = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
    return outline_layer("field", [ring], INK, max(0.6, item.width_um / 400))
