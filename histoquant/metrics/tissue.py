"""The quantifiable tissue of a slide as metrics see it: a mask on a map grid, in micrometres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FRAGMENT_GAP_UM = 100.0
"""Tissue further apart than this is another fragment of the biopsy."""


class TissueLike(Protocol):
    """What `Tissue.of` needs of a tissue map."""

    @property
    def quantifiable(self) -> NDArray[np.bool_]: ...  # noqa: D102

    @property
    def mpp_xy(self) -> tuple[float, float]: ...  # noqa: D102


@dataclass(frozen=True)
class Tissue:
    """Quantifiable tissue.

    Attributes
    ----------
    mask : ndarray of bool, shape (rows, columns)
        Map anchored at the slide's top-left corner.
    um_x, um_y : float
        Size of a map pixel.
    """

    mask: NDArray[np.bool_]
    um_x: float
    um_y: float

    @classmethod
    def of(cls, tissue_map: TissueLike) -> Tissue:
        """Quantifiable tissue of a tissue map."""
        um_x, um_y = tissue_map.mpp_xy
        return cls(np.asarray(tissue_map.quantifiable, bool), um_x, um_y)

    @property
    def pixel_mm2(self) -> float:
        """Area of one map pixel."""
        return self.um_x * self.um_y * 1e-6

    @property
    def area_mm2(self) -> float:
        """Quantifiable area, ``n_px mu_x mu_y 1e-6``."""
        return int(np.count_nonzero(self.mask)) * self.pixel_mm2

    def centres_um(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres (x, y) of all tissue pixels, in raster order."""
        y, x = (v.astype(np.float64) for v in np.nonzero(self.mask))
        return (x + 0.5) * self.um_x, (y + 0.5) * self.um_y

    def contains(self, x_um: NDArray[np.float64], y_um: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points lie in quantifiable tissue; outside the map they do not."""
        column = np.floor(np.asarray(x_um) / self.um_x).astype(np.int64)
        row = np.floor(np.asarray(y_um) / self.um_y).astype(np.int64)
        height, width = self.mask.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        out = np.zeros(len(row), bool)
        out[inside] = self.mask[row[inside], column[inside]]
        return out

    def fragments(self) -> NDArray[np.int32]:
        """Fragment number of each map pixel, 0 outside tissue; gaps up to 100 um do not divide."""
        reach = max(1, round(FRAGMENT_GAP_UM / 2 / max(self.um_x, self.um_y)))
        square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        joined = cv2.dilate(self.mask.view(np.uint8), square)
        labels, _ = ndimage.label(joined, structure=np.ones((3, 3)))
        return np.where(self.mask, labels, 0).astype(np.int32)
