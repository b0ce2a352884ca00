"""What was counted on a slide, as napari's layers; nothing of Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from histoquant.export.object_rings import ObjectRings, cell_rings, vessel_rings
from histoquant.export.slide_objects import SlideObjects, read_objects
from histoquant.report.palette import AGGREGATE, NEGATIVE, POSITIVE, RGB, TISSUE, VESSEL, hatch_for
from histoquant.store.results import load_results
from histoquant.viewer.class_picture import ClassPicture

NOT_SHOWN, NEGATIVE_CLASS, POSITIVE_CLASS = 0, 1, 2
UNITS = ("um", "um")
# maps have pixels of 8 um; half of one rounds their steps and keeps what they show
_STEP_UM, _SOFT_UM, _THINNED_UM = 2.0, 6.0, 0.3
_LEAST_UM = 80.0  # around; a hole of two or three pixels is a dot beside the cells
Layer = tuple[Any, dict[str, Any], str]
"""What napari calls LayerData: data, properties, kind."""


@dataclass(frozen=True)
class SlideOverlay:
    """A finished slide ready to be drawn.

    Attributes
    ----------
    row : mapping
        Its row of ``slides.csv``.
    objects : SlideObjects
        Its tables.
    rings : ObjectRings
        Outlines of the cells on the working plane.
    classes : ndarray of uint8, shape (n,)
        Class of each cell: 1 negative, 2 positive; changed in place when a threshold moves.
    density_per_mm2 : ndarray of float, shape (rows, columns), or None
        Density map, NaN outside tissue.
    density_um_yx : tuple of float
        Size of a pixel of it.
    root : Path or None
        Results folder it was read from.
    slide_file : Path or None
        The slide, where it was found.
    """

    row: Mapping[str, Any]
    objects: SlideObjects
    rings: ObjectRings
    classes: NDArray[np.uint8]
    density_per_mm2: NDArray[np.float64] | None
    density_um_yx: tuple[float, float]
    root: Path | None = None
    slide_file: Path | None = None

    @property
    def has_classes(self) -> bool:
        """Whether cells are scored; where vessels are counted, or nothing, they are not."""
        return bool(pd.notna(self.row.get("positive")))

    def layers(self) -> list[Layer]:
        """Layers from the lowest to the topmost."""
        made = [self._density(), *self._regions(), self._aggregates(), self._vessels(), self._cells()]
        return [layer for layer in made if layer is not None]

    def _cells(self) -> Layer:
        levels = ClassPicture.levels(self.rings, self.classes, self.objects.plane_size_px, outline_px=1)
        return picture_layer("cells", levels, {1: NEGATIVE, 2: POSITIVE}, self.objects.plane_mpp_xy)

    def _vessels(self) -> Layer | None:
        vessels = self.objects.vessels
        if vessels.empty:
            return None
        rings = vessel_rings(vessels, self.objects.factor_xy)
        classes = np.where(vessels["vessel"].to_numpy(bool), 1, 2).astype(np.uint8)
        levels = ClassPicture.levels(rings, classes, self.objects.plane_size_px, outline_px=2)
        colours = {1: VESSEL, 2: NEGATIVE}
        return picture_layer("vessels", levels, colours, self.objects.plane_mpp_xy)

    def _aggregates(self) -> Layer | None:
        if self.objects.aggregates.empty:
            return None
        return self._outlines("aggregates", self.objects.aggregates["outline_xy_px"], AGGREGATE, 1.6)

    def _regions(self) -> list[Layer]:
        made: list[Layer] = []
        regions = self.objects.regions
        if regions.empty:
            return made
        for kind, rows in regions.groupby("kind", sort=False):
            tissue = kind == "tissue"
            name = "tissue" if tissue else f"excluded: {kind}".replace("_", " ")
            colour = TISSUE if tissue else hatch_for(str(kind)).color
            made.append(self._outlines(name, rows["outline_xy_px"], colour))
        return made

    def _outlines(self, name: str, outlines_xy_px: pd.Series, colour: RGB, bold: float = 1.0) -> Layer:
        mpp_xy = np.asarray(self.objects.plane_mpp_xy) / np.asarray(self.objects.factor_xy)
        rings_yx = [
            ((np.asarray(flat, np.float64).reshape(-1, 2) + 0.5) * mpp_xy)[:, ::-1] for flat in outlines_xy_px
        ]
        span_um = max(self.objects.plane_size_px) * max(self.objects.plane_mpp_xy)
        rings = [softened(ring) for ring in rings_yx if _around_um(ring) >= _LEAST_UM]
        return outline_layer(name, rings, colour, bold * _width_um(span_um))

    def _density(self) -> Layer | None:
        if self.density_per_mm2 is None:
            return None
        scale = self.density_um_yx
        known = self.density_per_mm2[np.isfinite(self.density_per_mm2)]
        top = float(known.max()) if known.size else 0.0
        told = {
            "name": "density per mm2",
            "colormap": "viridis",
            "contrast_limits": (0.0, top or 1.0),
            "opacity": 0.55,
            "visible": False,
            **placed(scale),
        }
        return self.density_per_mm2, told, "image"


def load_overlay(root: Path, slide_id: str) -> SlideOverlay:
    """Read what is drawn of one slide.

    Parameters
    ----------
    root : Path
        Results folder of a finished run.
    slide_id : str

    Raises
    ------
    StoreError
        If the slide is not there, or a file of it is not as it was written.
    """
    results = load_results(root)
    objects = read_objects(root, slide_id)
    found = results.slides[results.slides["slide_id"] == slide_id].iloc[0]
    row = {str(name): value for name, value in found.items()}
    rings = cell_rings(objects.cells["outline_xy_px"].combine_chunks(), objects.factor_xy)
    positive = objects.cells["positive"].to_numpy(zero_copy_only=False).astype(bool)
    density, um_yx = _read_density(root / "slides" / slide_id / "density.npz")
    return SlideOverlay(row, objects, rings, classes_of(positive), density, um_yx, root)


def classes_of(positive: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Class of each cell for the picture."""
    return np.where(positive, POSITIVE_CLASS, NEGATIVE_CLASS).astype(np.uint8)


def picture_layer(
    name: str,
    levels: list[ClassPicture],
    colours: Mapping[int, RGB],
    mpp_xy: tuple[float, float],
) -> Layer:
    """Layer of objects by class; the key of ``colours`` is the class."""
    from napari.utils.colormaps import DirectLabelColormap

    shades: dict[int | None, Any] = {None: (0, 0, 0, 0), 0: (0, 0, 0, 0)}
    shades |= {number: (*(part / 255 for part in rgb), 1.0) for number, rgb in colours.items()}
    told = {
        "name": name,
        "multiscale": True,
        "colormap": DirectLabelColormap(color_dict=shades),
        "opacity": 1.0,
        **placed((mpp_xy[1], mpp_xy[0])),
    }
    return levels, told, "labels"


def outline_layer(name: str, rings_yx_um: list[Any], colour: RGB, width_um: float) -> Layer:
    """Layer of a few outlines, micrometres from the corner of the slide."""
    told = {
        "name": name,
        "shape_type": "polygon",
        "face_color": "transparent",
        "edge_color": "#{:02x}{:02x}{:02x}".format(*colour),
        "edge_width": width_um,
        "units": UNITS,
    }
    return [ring for ring in rings_yx_um if len(ring) >= 3], told, "shapes"


def softened(ring_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round a ring that runs along the edges of map pixels, for looking at only.

    Parameters
    ----------
    ring_um : ndarray of float64, shape (n, 2)

    Returns
    -------
    ndarray of float64, shape (m, 2)
        Nowhere further from the steps than a map pixel.
    """
    closed = np.vstack([ring_um, ring_um[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    count = max(8, int(along[-1] / _STEP_UM))
    at = np.arange(count) * along[-1] / count
    points = np.column_stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)])
    smooth = gaussian_filter1d(points, _SOFT_UM / _STEP_UM, axis=0, mode="wrap")
    thinned = cv2.approxPolyDP(smooth.astype(np.float32).reshape(-1, 1, 2), _THINNED_UM, True)
    return np.asarray(thinned.reshape(-1, 2), np.float64)


def _around_um(ring_um: NDArray[np.float64]) -> float:
    return float(np.hypot(*(np.roll(ring_um, -1, axis=0) - ring_um).T).sum())


def _width_um(span_um: float) -> float:
    """Width of an outline that is seen on the whole slide and does not cover cells beside it."""
    return float(np.clip(span_um / 900, 1.2, 6.0))


def placed(scale_yx_um: tuple[float, float]) -> dict[str, Any]:
    """Where pixels lie: napari centres pixel 0 on the origin; here the slide's corner is."""
    return {"scale": scale_yx_um, "translate": (scale_yx_um[0] / 2, scale_yx_um[1] / 2), "units": UNITS}


def _read_density(path: Path) -> tuple[NDArray[np.float64] | None, tuple[float, float]]:
    if not path.is_file():
        return None, (1.0, 1.0)
    with np.load(path, allow_pickle=False) as arrays:
        um_x, um_y = (float(size) for size in arrays["um_per_px_xy"])
        return arrays["per_mm2"].astype(np.float64), (um_y, um_x)
