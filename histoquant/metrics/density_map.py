"""Continuous density of objects over the tissue: where on the section they are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from histoquant.metrics.tissue import Tissue

BANDWIDTH_UM = 150.0
"""Standard deviation of the kernel: its effective area, 4 pi sigma^2 = 0.28 mm2, is about a 40x field's."""
PIXEL_UM = 32.0
"""A map pixel is a fifth of the bandwidth or less; finer shows nothing more."""
REACH = 3.0
"""The kernel ends here, in bandwidths."""
LEAST_SUPPORT = 0.02
"""Below this share of the kernel in tissue a crumb's one object would look like a hotspot."""


@dataclass(frozen=True)
class DensityMap:
    """Density on a grid anchored at the slide's top-left corner.

    Attributes
    ----------
    per_mm2 : ndarray of float64, shape (rows, columns)
        1/mm2; NaN outside tissue.
    tissue_share : ndarray of float64, shape (rows, columns)
        Share of each map pixel that is quantifiable tissue.
    um_x, um_y : float
        Size of a map pixel.
    bandwidth_um : float
        Standard deviation of the Gaussian kernel.
    """

    per_mm2: NDArray[np.float64]
    tissue_share: NDArray[np.float64]
    um_x: float
    um_y: float
    bandwidth_um: float

    @property
    def highest_per_mm2(self) -> float:
        """Densest place, 0 where there is none."""
        known = self.per_mm2[np.isfinite(self.per_mm2)]
        return float(known.max()) if len(known) else 0.0


def density_map(
    x_um: NDArray[np.float64],
    y_um: NDArray[np.float64],
    tissue: Tissue,
    bandwidth_um: float = BANDWIDTH_UM,
) -> DensityMap:
    """Kernel density with the tissue's edge corrected for.

    ``D(s) = sum_i K(s - x_i) / integral over tissue of K(s - t) dt``: near an edge both sums lose the
    same part, so even tissue is even up to its border. Objects outside quantifiable tissue do not count.

    Parameters
    ----------
    x_um, y_um : ndarray of float64, shape (n,)
        Objects, from the slide's top-left corner.
    tissue : Tissue
        Quantifiable tissue.
    bandwidth_um : float
        Standard deviation of the Gaussian kernel.

    Returns
    -------
    DensityMap
    """
    by_y, by_x = (max(1, round(PIXEL_UM / size)) for size in (tissue.um_y, tissue.um_x))
    height, width = tissue.mask.shape
    rows, columns = -(-height // by_y), -(-width // by_x)
    padded = np.zeros((rows * by_y, columns * by_x), np.bool_)
    padded[:height, :width] = tissue.mask
    pixels = padded.reshape(rows, by_y, columns, by_x).sum(axis=(1, 3), dtype=np.int64)
    um_x, um_y = by_x * tissue.um_x, by_y * tissue.um_y
    inside = tissue.contains(x_um, y_um)
    # whole numbers per map pixel: no order of the objects enters
    at = np.floor(y_um[inside] / um_y).astype(np.int64) * columns
    at += np.floor(x_um[inside] / um_x).astype(np.int64)
    counts = np.bincount(at, minlength=rows * columns).reshape(rows, columns)
    sigma = bandwidth_um / um_y, bandwidth_um / um_x

    def spread(values: NDArray[np.int64]) -> NDArray[np.float64]:
        smooth = ndimage.gaussian_filter(values.astype(np.float64), sigma, mode="constant", truncate=REACH)
        return np.asarray(smooth, np.float64)

    number, area_px = spread(counts), spread(pixels)
    full_px = by_x * by_y
    known = (pixels > 0) & (area_px >= LEAST_SUPPORT * full_px)
    density = np.full(counts.shape, np.nan)
    density[known] = number[known] / (area_px[known] * tissue.pixel_mm2)
    return DensityMap(density, pixels / full_px, um_x, um_y, bandwidth_um)
