"""From stain amounts to pixels: Beer-Lambert, optics on light, photon noise, 8 bits."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from histoquant.phantoms.appearance import NEUTRAL, Appearance
from histoquant.phantoms.bodies import RASTER_UM

Light = NDArray[np.float32]


@njit(cache=True, nogil=True)
def transmit(stains: NDArray[np.float32], vectors: NDArray[np.float64], gains: NDArray[np.float64]) -> Light:
    """Return the share of light let through, shape (3, h, w).

    Transmittance of channel c is ``10 ** -sum_s(gains[s] * stains[s] * vectors[s, c])``.

    Parameters
    ----------
    stains : ndarray of float32, shape (stains, h, w)
        Stain amounts, OD along each vector.
    vectors : ndarray, shape (stains, 3)
    gains : ndarray, shape (stains,)
    """
    count, height, width = stains.shape
    out = np.empty((3, height, width), np.float32)
    k = -math.log(10.0)
    for j in range(height):
        for i in range(width):
            for c in range(3):
                od = 0.0
                for s in range(count):
                    od += gains[s] * stains[s, j, i] * vectors[s, c]
                out[c, j, i] = math.exp(k * od) if od != 0.0 else 1.0
    return out


def gaussian_taps(sigma_px: float) -> NDArray[np.float64]:
    """Return normalised Gaussian weights reaching 3.5 standard deviations."""
    half = max(1, math.ceil(3.5 * sigma_px))
    offsets = np.arange(-half, half + 1)
    taps = np.exp(-0.5 * (offsets / max(sigma_px, 1e-6)) ** 2)
    return np.asarray(taps / taps.sum())


@njit(cache=True, nogil=True)
def blur(light: Light, taps: NDArray[np.float64]) -> Light:
    """Blur (3, h, w) light with separable taps; the edge value continues beyond the array."""
    channels, height, width = light.shape
    half = taps.size // 2
    rows = np.empty_like(light)
    out = np.empty_like(light)
    for c in range(channels):
        for j in range(height):
            for i in range(width):
                total = 0.0
                if half <= i < width - half:
                    for t in range(taps.size):
                        total += taps[t] * light[c, j, i + t - half]
                else:
                    for t in range(taps.size):
                        total += taps[t] * light[c, j, min(max(i + t - half, 0), width - 1)]
                rows[c, j, i] = total
        for j in range(height):
            out[c, j, :] = 0.0
            for t in range(taps.size):
                source = min(max(j + t - half, 0), height - 1)
                weight = np.float32(taps[t])
                for i in range(width):
                    out[c, j, i] += weight * rows[c, source, i]
    return out


@njit(cache=True, nogil=True)
def collect(
    light: Light, factor: float, x0: float, y0: float, size: tuple[int, int], first_row: int
) -> Light:
    """Average light over ``size`` = (columns, rows) camera pixels ``factor`` raster samples wide.

    The rows start at camera row ``first_row``. Camera pixel (row, col) covers raster
    ``[col * factor, (col + 1) * factor)`` and likewise in y; ``x0, y0`` is the raster position of
    ``light[:, 0, 0]``.
    """
    channels, height, _width = light.shape
    columns, rows = size
    out = np.empty((channels, rows, columns), np.float32)
    narrow = np.empty((channels, height, columns), np.float32)
    for i in range(columns):
        low = i * factor - x0
        high = low + factor
        for c in range(channels):
            for j in range(height):
                narrow[c, j, i] = _mean_row(light[c, j], low, high)
    for j in range(rows):
        low = (j + first_row) * factor - y0
        high = low + factor
        first, last = math.floor(low), math.ceil(high)
        for c in range(channels):
            for i in range(columns):
                total = 0.0
                for k in range(first, last):
                    share = min(k + 1.0, high) - max(float(k), low)
                    total += share * narrow[c, min(max(k, 0), height - 1), i]
                out[c, j, i] = total / factor
    return out


@njit(cache=True, nogil=True)
def _mean_row(row: NDArray[np.float32], low: float, high: float) -> float:
    total = 0.0
    for k in range(math.floor(low), math.ceil(high)):
        share = min(k + 1.0, high) - max(float(k), low)
        total += share * row[min(max(k, 0), row.size - 1)]
    return total / (high - low)


def illumination(
    appearance: Appearance, size_px: tuple[int, int], first_row: int, rows: int
) -> NDArray[np.float32]:
    """Return relative illumination of a band of rows, 1 in the middle of the slide; shape (rows, width)."""
    width, height = size_px
    x = np.linspace(-1.0, 1.0, width)
    y = (2.0 * (np.arange(first_row, first_row + rows) + 0.5) / height - 1.0)[:, None]
    fall = 0.35 * x**2 + 0.35 * y**2 + 0.15 * x - 0.15 * y
    return np.asarray(1.0 - appearance.uneven * fall, dtype=np.float32)


def expose(
    light: Light,
    appearance: Appearance,
    field: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Turn camera-pixel transmittance (3, h, w) into 8-bit RGB (h, w, 3).

    Photon noise has the variance of the light; sharpening, colour matrix, tone curve, reading noise and
    compression follow in the order a scanner applies them.
    """
    scanner = appearance.scanner
    light = light + np.float32(scanner.glare) * (1.0 - light)
    white = np.array(appearance.white_point, dtype=np.float32)[:, None, None]
    exposed = np.maximum(light * field[None], 0.0)
    noise = rng.standard_normal(exposed.shape, dtype=np.float32)
    exposed = exposed + noise * np.sqrt(exposed / np.float32(scanner.electrons))
    if scanner.sharpen > 0.0:
        soft = blur(exposed, gaussian_taps(1.0))
        exposed = exposed + np.float32(scanner.sharpen) * (exposed - soft)
    if scanner.colours != NEUTRAL:
        exposed = np.einsum("ij,jyx->iyx", np.asarray(scanner.colours, np.float32), exposed)
    if scanner.gamma != 1.0:
        exposed = np.maximum(exposed, 0.0) ** np.float32(scanner.gamma)
    grey = exposed * white
    grey += rng.standard_normal(grey.shape, dtype=np.float32) * np.float32(scanner.read_noise)
    rgb = np.ascontiguousarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8).transpose(1, 2, 0))
    return compressed(rgb, scanner.jpeg) if scanner.jpeg else rgb


def compressed(rgb: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return an image as JPEG leaves it; bands of a multiple of 16 rows may be compressed one by one."""
    _, held = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    seen = np.asarray(cv2.imdecode(held, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(seen[..., ::-1])


def raster_window(
    appearance: Appearance, first_row: int, rows: int, columns: int, halo_um: float
) -> tuple[int, int, int, int, float]:
    """Return x0, y0, width, height on the raster that a band of camera rows needs, and the pixel factor."""
    factor = appearance.scanner.mpp / RASTER_UM
    halo = math.ceil((3.5 * appearance.scanner.blur_um + halo_um) / RASTER_UM) + math.ceil(factor) + 2
    y0 = math.floor(first_row * factor) - halo
    y1 = math.ceil((first_row + rows) * factor) + halo
    return -halo, y0, math.ceil(columns * factor) + 2 * halo, y1 - y0, factor
