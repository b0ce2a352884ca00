"""What a slide's pictures are drawn on, cut from the survey's preview when the slide is planned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from histoquant.report import OVERLAY_PX, THUMBNAIL_PX
from histoquant.report.canvas import fit, shrunk
from histoquant.tiling.preview import Preview
from histoquant.tiling.tissue_map import TissueMap

# Tissue touches no edge of its picture.
_MARGIN_MAP_PX = 8


@dataclass(frozen=True)
class Frame:
    """The part of the slide that holds tissue, in map pixels, and how much it is shrunk to be drawn."""

    top: int
    left: int
    bottom: int
    right: int
    shrink: int

    @classmethod
    def around(cls, tissue: TissueMap) -> Frame:
        """Frame of a slide's tissue, whatever excludes it."""
        shown = tissue.tissue | (tissue.excluded > 0)
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        height, width = shown.shape
        top, left = max(0, rows[0] - _MARGIN_MAP_PX), max(0, columns[0] - _MARGIN_MAP_PX)
        bottom = min(height, rows[-1] + 1 + _MARGIN_MAP_PX)
        right = min(width, columns[-1] + 1 + _MARGIN_MAP_PX)
        longest_px = max(bottom - top, right - left) * tissue.scale_px
        return cls(int(top), int(left), int(bottom), int(right), math.ceil(longest_px / OVERLAY_PX))


@dataclass(frozen=True, eq=False)
class Backgrounds:
    """Pixels at the size they are drawn in; None where the preview is too coarse and the slide is read again.

    Attributes
    ----------
    overview_rgb : ndarray of uint8, shape (h, w, 3), or None
        The whole slide, at least as long as a thumbnail.
    overview_um : float
        Micrometres per pixel of it.
    frame_rgb : ndarray of uint8, shape (h, w, 3), or None
        The frame of the overlay, shrunk.
    """

    overview_rgb: NDArray[np.uint8] | None = None
    overview_um: float = 0.0
    frame_rgb: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, preview: Preview, tissue: TissueMap, plane_mpp: float) -> Backgrounds:
        """Cut from a preview what is fine enough.

        Parameters
        ----------
        preview : Preview
            Of the working plane.
        tissue : TissueMap
            Of the same plane.
        plane_mpp : float
            Micrometres per pixel of that plane.
        """
        whole, overview_um = None, 0.0
        longest_px = max(preview.rgb.shape[:2])
        if longest_px >= THUMBNAIL_PX:
            whole = fit(preview.rgb, THUMBNAIL_PX)
            overview_um = plane_mpp * preview.scale_px * longest_px / THUMBNAIL_PX
        return cls(whole, overview_um, _frame_rgb(preview, Frame.around(tissue), tissue.scale_px))

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Plain arrays to be stored, without loss."""
        kept = {"overview_rgb": self.overview_rgb, "frame_rgb": self.frame_rgb}
        arrays = {name: array for name, array in kept.items() if array is not None}
        return {**arrays, "overview_um": np.asarray(self.overview_um, np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Backgrounds:
        """What `to_arrays` gave."""
        pixels = {
            name: np.asarray(arrays[name], np.uint8)
            for name in ("overview_rgb", "frame_rgb")
            if name in arrays
        }
        return cls(overview_um=float(np.asarray(arrays["overview_um"])), **pixels)


def _frame_rgb(preview: Preview, frame: Frame, map_px: int) -> NDArray[np.uint8] | None:
    """The frame at its own size; twice as coarse as it is drawn would look blurred."""
    if frame.shrink == 1 or preview.scale_px >= 2 * frame.shrink:
        return None
    step = map_px // preview.scale_px
    part = preview.rgb[frame.top * step : frame.bottom * step, frame.left * step : frame.right * step]
    if preview.scale_px == frame.shrink:
        return np.ascontiguousarray(part)
    height, width = (max(1, round(edge * preview.scale_px / frame.shrink)) for edge in part.shape[:2])
    if preview.scale_px < frame.shrink:
        return shrunk(part, (width, height))
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
