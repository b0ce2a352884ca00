"""Picture pairs, as scanned and as counted, and the chart of sensitivities, for docs/accuracy.md.

Only phantoms and scikit-image's own colon image are drawn: no pixel of another's image enters the repository.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from accuracy_cache import drawn
from accuracy_cases import points_um, slide_of
from accuracy_tables import MARKERS, SHIFTS_SHOWN, shift_changes
from matching import match_points
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import histoquant as hq
from histoquant.phantoms import families
from histoquant.phantoms.truth import Truth
from histoquant.report import CellMarks, Marks, Polygons, TissueMarks, VesselMarks
from histoquant.report.overlay import Scale, paint_marks
from histoquant.run.quantify import Quantified
from histoquant.tiling.artefacts import EXCLUSIONS

# name, side of the crop in um; the place is that with the most true positives or vessels
SHOWN = (
    ("CD68-foamy", 130.0, "foamy and clumped macrophages, granules and neutrophils"),
    ("CD68-scanner-C", 130.0, "the normal CD68 scene on a crisp, contrasty scanner"),
    ("CD20-sheet", 130.0, "sheets of B cells whose brown masks the counterstain"),
    ("CD31-normal", 180.0, "vessels, lumens filled"),
    ("CD31-collapsed", 180.0, "collapsed, faint and interrupted capillaries"),
    ("nuclear-tumour", 130.0, "large overlapping vesicular nuclei"),
    ("CD20-pen", 300.0, "marker ink, hatched where tissue is left out"),
)
SIDE_PX = 720
MISSED, SPURIOUS = (214, 0, 0), (255, 0, 200)
LARGEST_BYTES = 150_000
Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Crop:
    """A square window of a slide, level-0 pixels."""

    x_px: int
    y_px: int
    side_px: int
    mpp: float

    @property
    def zoom(self) -> float:
        """Picture pixels per level-0 pixel."""
        return SIDE_PX / self.side_px

    def cut(self, rgb: Rgb) -> Rgb:
        """The window, enlarged."""
        part = rgb[self.y_px : self.y_px + self.side_px, self.x_px : self.x_px + self.side_px]
        how = cv2.INTER_CUBIC if self.zoom > 1 else cv2.INTER_AREA
        return np.asarray(cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=how), np.uint8)

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Micrometres to pixels of the picture; only what lies inside."""
        at = (points / self.mpp - (self.x_px, self.y_px)) * self.zoom
        return np.asarray(at[((at >= 0) & (at < SIDE_PX)).all(axis=1)])


def _densest(points: NDArray[np.float64], shape: tuple[int, ...], side_px: int, mpp: float) -> Crop:
    """The window of a coarse grid that holds most points; ties go to the upper, then the left."""
    step = max(1, side_px // 3)
    best, most = Crop(0, 0, side_px, mpp), -1
    for y in range(0, shape[0] - side_px + 1, step):
        for x in range(0, shape[1] - side_px + 1, step):
            crop = Crop(x, y, side_px, mpp)
            count = len(crop.place(points))
            if count > most:
                best, most = crop, count
    return best


def _marks(result: Quantified) -> Marks:
    """What was counted, in level-0 pixels."""
    cells, scored = result.cells, result.metrics["positive"] is not None
    positive = cells["positive"].to_numpy(np.float64) == 1 if scored else None
    centres = cells["x_px"].to_numpy(np.float64), cells["y_px"].to_numpy(np.float64)
    vessels = aggregates = None
    if "vessel_id" in result.vessels:
        true = result.vessels[result.vessels["vessel"].to_numpy(bool)]
        lumens = [lumen for several in true["lumens_xy_px"] for lumen in several]
        vessels = VesselMarks(Polygons.pack(true["outer_xy_px"]), Polygons.pack(lumens))
    if "aggregate_id" in result.aggregates:
        aggregates = Polygons.pack(result.aggregates["outline_xy_px"])
    found = result._planned.tissue
    tissue = TissueMarks(found.tissue, found.excluded, found.mpp_xy, EXCLUSIONS)
    outlined = CellMarks(*centres, positive, Polygons.pack(cells["outline_xy_px"]))
    return Marks(outlined, vessels, aggregates, tissue)


def _cross(picture: Rgb, at: NDArray[np.float64], colour: tuple[int, int, int], kind: int) -> None:
    for x, y in np.rint(at).astype(int).tolist():
        cv2.drawMarker(picture, (x, y), (255, 255, 255), kind, 17, 5)
        cv2.drawMarker(picture, (x, y), colour, kind, 15, 2)


def pair(rgb: Rgb, crop: Crop, result: Quantified, truth: Truth | None) -> Rgb:
    """As scanned and as counted, side by side, uint8 RGB; nuclei missed and invented are crossed."""
    plain, counted = crop.cut(rgb), crop.cut(rgb)
    mpp = crop.mpp / crop.zoom
    marks = _marks(result).scaled(crop.zoom, (-crop.x_px, -crop.y_px))
    corner_um = (crop.x_px * crop.mpp, crop.y_px * crop.mpp)
    paint_marks(counted, mpp, marks, Scale(SIDE_PX, mpp), corner_um)
    if truth is not None:
        nuclei = truth.nuclei
        asked = (nuclei["visible"] == 1) & (nuclei["excluded"] == 0)
        true, faint = points_um(nuclei[asked], crop.mpp), points_um(nuclei[~asked], crop.mpp)
        found = result.cells[["x_um", "y_um"]].to_numpy(np.float64)
        pairs = match_points(true, found, 6.0)
        over = found[np.setdiff1d(np.arange(len(found)), pairs.found_index)]
        over = np.delete(over, match_points(faint, over, 6.0).found_index, axis=0)
        missed = np.delete(true, pairs.true_index, axis=0)
        _cross(counted, crop.place(missed), MISSED, cv2.MARKER_TILTED_CROSS)
        _cross(counted, crop.place(over), SPURIOUS, cv2.MARKER_CROSS)
    gap = np.full((SIDE_PX, 8, 3), 255, np.uint8)
    both = Image.fromarray(np.hstack([plain, gap, counted]))
    _scale_bar(both, mpp)
    return np.asarray(both)


def _scale_bar(picture: Image.Image, mpp: float) -> None:
    long_um = 20 if SIDE_PX * mpp < 200 else 50
    draw, right, low = ImageDraw.Draw(picture), SIDE_PX - 14, SIDE_PX - 18
    draw.rectangle((right - long_um / mpp - 8, low - 26, right + 8, low + 12), fill="white")
    draw.rectangle((right - long_um / mpp, low, right, low + 5), fill="black")
    draw.text((right - long_um / mpp, low - 20), f"{long_um} um", fill="black", font_size=16)


def _small_jpeg(picture: Rgb) -> bytes:
    for quality in range(88, 20, -6):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= LARGEST_BYTES:
            break
    return buffer.getvalue()


def _phantom_pair(name: str, side_um: float) -> Rgb:
    family = next(one for one in families() if one.name == name)
    rgb, truth = drawn(family.marker, family.size_um, 1, family.appearance, family.artefacts, **family.scene)
    mpp = float(truth.summary["mpp"])
    nuclei = truth.nuclei
    wanted = truth.vessels if family.marker == "CD31" else nuclei[nuclei["positive"] == 1]
    if "excluded" in truth.summary["artefacts"] or family.artefacts:
        wanted = nuclei[nuclei["excluded"] == 1]
    crop = _densest(points_um(wanted, mpp), rgb.shape, round(side_um / mpp), mpp)
    with slide_of(rgb, mpp) as slide:
        return pair(rgb, crop, hq.quantify(slide, family.marker), truth)


def _colon_pair() -> Rgb:
    from skimage.data import immunohistochemistry

    rgb, mpp = np.ascontiguousarray(immunohistochemistry()), 0.5
    with slide_of(rgb, mpp) as slide:
        result = hq.quantify(slide, "cytoplasmic")
    return pair(rgb, Crop(100, 130, 260, mpp), result, None)


def write_pictures(folder: Path, records: dict[str, list[Any]]) -> list[tuple[str, str]]:
    """Write every picture; return file names with what they show."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.*"):
        old.unlink()
    shown = [(f"{name}.jpg", f"{name}: {about}.", _phantom_pair(name, side)) for name, side, about in SHOWN]
    about = "scikit-image's colon, read with the cytoplasmic rule; no truth is drawn."
    shown.append(("colon.jpg", about, _colon_pair()))
    for file, _, picture in shown:
        (folder / file).write_bytes(_small_jpeg(picture))
    if "shift" in records:
        (folder / "sensitivity.png").write_bytes(_chart(records["shift"]))
    return [(file, about) for file, about, _ in shown]


def _chart(shifts: list[dict[str, Any]]) -> bytes:
    """Change of each marker's density by each shift, one panel per marker."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    changes = shift_changes(shifts)
    figure = Figure(figsize=(9.0, 4.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(MARKERS), sharey=True, sharex=True)
    rows = [shift for shift in SHIFTS_SHOWN if (MARKERS[0], shift) in changes]
    for axis, marker in zip(axes, MARKERS, strict=True):
        values = [changes[marker, shift].percent for shift in rows]
        axis.axvspan(-5, 5, color="#e6ebf0", zorder=0)
        axis.axvline(0, color="#60686f", linewidth=0.8)
        axis.hlines(range(len(rows)), 0, values, color="#0072B2", linewidth=1.5)
        axis.plot(values, range(len(rows)), "o", color="#0072B2", markersize=5)
        axis.set_title(marker, fontsize=10)
        axis.set_yticks(range(len(rows)), rows, fontsize=9)
        axis.tick_params(axis="x", labelsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].invert_yaxis()
    figure.supxlabel("change of density, %; shaded: within 5 %", fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
