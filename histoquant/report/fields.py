"""Full-resolution fields, raw above marked, so that a reader can check the count with the eye."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from histoquant.report.canvas import Picture, check_rgb, warp_map
from histoquant.report.legend import draw_strip, font, shorten
from histoquant.report.marks import Caption, CellMarks, Marks, Polygons, TissueMarks, VesselMarks
from histoquant.report.overlay import Scale, legend_entries, paint_marks
from histoquant.report.palette import INK, PAPER

FIELD_PX = 400
_MIN_TISSUE_SHARE = 0.5  # a field half of glass would always win "least"
_MIN_CELL_SHARE = 0.25  # the same without a tissue map: a quarter of the fullest field's cells
_GAP_PX = 8
_MARGIN_PX = 40

Read = Callable[[int, int, int, int], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Field:
    """One square field: its role and its top-left pixel, with the counts of centres inside (half-open)."""

    role: str
    x_px: int
    y_px: int
    cells: int
    positive: int


def _grid_counts(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], grid: tuple[int, int]
) -> npt.NDArray[np.int64]:
    column, row = np.floor((x + 0.5) / FIELD_PX).astype(int), np.floor((y + 0.5) / FIELD_PX).astype(int)
    inside = (column >= 0) & (row >= 0) & (column < grid[1]) & (row < grid[0])
    flat = np.bincount(row[inside] * grid[1] + column[inside], minlength=grid[0] * grid[1])
    return flat.astype(np.int64)


def _tissue_share(tissue: TissueMarks, grid: tuple[int, int], mpp: float) -> npt.NDArray[np.float64]:
    """Share of quantified tissue in every grid field."""
    usable = tissue.tissue if tissue.excluded is None else tissue.tissue & (tissue.excluded == 0)
    cells_per_field = 10
    shape = (grid[0] * cells_per_field, grid[1] * cells_per_field)
    step = mpp * FIELD_PX / cells_per_field
    sampled = warp_map(usable.astype(np.uint8), tissue.um_per_map_px, shape, step)
    blocks = sampled.reshape(grid[0], cells_per_field, grid[1], cells_per_field)
    return np.asarray(blocks.mean(axis=(1, 3)).ravel(), np.float64)


def choose_fields(size_px: tuple[int, int], mpp: float, marks: Marks) -> list[Field]:
    """Choose the most positive, the median and the least positive field of a fixed grid.

    Parameters
    ----------
    size_px : (width, height)
        Size of the plane the marks lie in.
    mpp : float
    marks : Marks
        Cells decide; without a marker the number of nuclei takes the place of the positives.

    Returns
    -------
    list of Field
        Up to three, without repeats; ties go to the upper, then the left field. Empty without cells.
    """
    cells = marks.cells
    if cells is None or not len(cells):
        return []
    grid = (max(1, size_px[1] // FIELD_PX), max(1, size_px[0] // FIELD_PX))
    total = _grid_counts(cells.x_px, cells.y_px, grid)
    status = cells.positive
    positive = total if status is None else _grid_counts(cells.x_px[status], cells.y_px[status], grid)
    if marks.tissue is not None:
        eligible = _tissue_share(marks.tissue, grid, mpp) >= _MIN_TISSUE_SHARE
    else:
        eligible = total >= _MIN_CELL_SHARE * max(1, int(total.max()))
    if not eligible.any():
        eligible = total == total.max()
    index = np.flatnonzero(eligible)
    ranked = index[np.lexsort((index, -positive[index]))]
    picks = {"most": ranked[0], "median": ranked[len(ranked) // 2], "least": ranked[-1]}
    chosen: dict[int, str] = {}
    for role, at in picks.items():
        chosen.setdefault(int(at), role)
    return [
        Field(role, at % grid[1] * FIELD_PX, at // grid[1] * FIELD_PX, int(total[at]), int(positive[at]))
        for at, role in chosen.items()
    ]


def _window(polygons: Polygons, x: int, y: int, size: tuple[int, int]) -> Polygons:
    moved = polygons.scaled(1.0, (-x, -y))
    return moved.select(moved.touching(*size))


def _near(cells: CellMarks, x: int, y: int, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Cells whose outline may reach into a window."""
    near = (cells.x_px > x - _MARGIN_PX) & (cells.x_px < x + size[0] + _MARGIN_PX)
    near &= (cells.y_px > y - _MARGIN_PX) & (cells.y_px < y + size[1] + _MARGIN_PX)
    return np.asarray(near)


def shown_cells(size_px: tuple[int, int], mpp: float, marks: Marks) -> npt.NDArray[np.bool_]:
    """Tell which cells `draw_fields` will draw, given the same; their outlines need not be known yet."""
    cells = marks.cells
    shown = np.zeros(0 if cells is None else len(cells), bool)
    if cells is not None:
        size = _field_size(size_px)
        for field in choose_fields(size_px, mpp, marks):
            shown |= _near(cells, field.x_px, field.y_px, size)
    return shown


def _field_size(size_px: tuple[int, int]) -> tuple[int, int]:
    return min(FIELD_PX, size_px[0]), min(FIELD_PX, size_px[1])


def _marks_in(marks: Marks, x: int, y: int, size: tuple[int, int]) -> Marks:
    """Cut the marks down to a window; aggregates stay whole: an edge may cross with no corner inside."""
    cells: CellMarks | None = None
    if marks.cells is not None:
        cells = marks.cells.select(_near(marks.cells, x, y, size)).scaled(1.0, (-x, -y))
    vessels = None
    if marks.vessels is not None:
        walls, lumens = marks.vessels.walls, marks.vessels.lumens
        vessels = VesselMarks(_window(walls, x, y, size), _window(lumens, x, y, size))
    aggregates = None if marks.aggregates is None else marks.aggregates.scaled(1.0, (-x, -y))
    return Marks(cells, vessels, aggregates, marks.tissue)


def _label(field: Field, marker: str, has_status: bool) -> str:
    if not has_status:
        return f"{field.role} cells: {field.cells:,} nuclei"
    return f"{field.role} positive: {field.positive:,} {marker or 'marker'}+ of {field.cells:,} cells"


def draw_fields(
    read: Read, size_px: tuple[int, int], mpp: float, marks: Marks, caption: Caption
) -> Picture | None:
    """Draw up to three full-resolution fields, raw above marked.

    Parameters
    ----------
    read : callable (x, y, width, height) -> uint8 (height, width, 3)
        Pixels of the plane the marks lie in, usually the working plane.
    size_px : (width, height)
        Size of that plane.
    mpp : float
        Its micrometres per pixel.
    marks : Marks
        In that plane's pixels.
    caption : Caption

    Returns
    -------
    uint8 (h, w, 3) or None
        ``None`` where there is no cell to show.
    """
    fields = choose_fields(size_px, mpp, marks)
    if not fields:
        return None
    width, height = _field_size(size_px)
    head = 28
    high, wide = head + 2 * height + _GAP_PX, len(fields) * (width + _GAP_PX) - _GAP_PX
    note = f"fields of {FIELD_PX * mpp:.0f} µm from a fixed grid, raw above, marked below"
    entries = legend_entries(Marks(marks.cells, marks.vessels), caption.marker, outlines=True)
    strip = draw_strip(wide, mpp, entries, Caption(caption.slide_id, caption.marker, note))
    sheet = np.full((high + len(strip), wide, 3), 255, np.uint8)
    sheet[high:] = strip
    scale = Scale(FIELD_PX, mpp)
    for i, field in enumerate(fields):
        raw = check_rgb(read(field.x_px, field.y_px, width, height))
        marked = raw.copy()
        inside = _marks_in(marks, field.x_px, field.y_px, (width, height))
        paint_marks(marked, mpp, inside, scale, (field.x_px * mpp, field.y_px * mpp))
        columns = slice(i * (width + _GAP_PX), i * (width + _GAP_PX) + width)
        sheet[head : head + height, columns] = raw
        sheet[head + height + _GAP_PX : high, columns] = marked
        sheet[:head, columns] = _heading(field, caption.marker, marks, width, head)
    return sheet


def _heading(field: Field, marker: str, marks: Marks, width: int, height: int) -> Picture:
    strip = Image.new("RGB", (width, height), PAPER)
    face = font(14)
    has_status = marks.cells is not None and marks.cells.positive is not None
    text = shorten(_label(field, marker, has_status), face, width)
    ImageDraw.Draw(strip).text((0, height / 2), text, fill=INK, font=face, anchor="lm")
    return np.asarray(strip, np.uint8)
