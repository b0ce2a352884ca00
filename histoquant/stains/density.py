"""Optical density with an explicit white point, and its separation into stains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from histoquant.errors import UsageError
from histoquant.stains.vectors import StainVectors, as_matrix

UInt8Array = npt.NDArray[np.uint8]
Int16Array = npt.NDArray[np.int16]
Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

MOD_PER_OD = 1000  # integer planes hold thousandths of an optical density unit
_SHIFT = 15  # fractional bits: rounding error below 0.0001 mOD, sums stay inside 31 bits
_BIAS = 1 << 30  # keeps the packed low half positive, so that it never borrows from the high half
_HALF = 1 << (_SHIFT - 1)


class HasRgb(Protocol):
    """Anything that carries a white point as ``rgb``."""

    @property
    def rgb(self) -> tuple[float, float, float]:
        """Intensity of empty glass in each channel, 1 to 255."""
        ...


WhiteLike = HasRgb | Sequence[float] | FloatArray | float


def white_rgb(white_point: WhiteLike) -> tuple[float, float, float]:
    """Checked intensities of empty glass.

    Parameters
    ----------
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass, one number for grey glass or one per channel.

    Returns
    -------
    tuple of 3 float

    Raises
    ------
    UsageError
        If a channel is not a number from 1 to 255.
    """
    # a protocol asked with isinstance looks at all its members, and every window of a sample asks
    given = getattr(white_point, "rgb", white_point)
    values = np.asarray(given, dtype=np.float64).ravel()
    if values.size == 1:
        values = np.repeat(values, 3)
    if values.size != 3 or not np.isfinite(values).all() or values.min() < 1 or values.max() > 255:
        raise UsageError(f"white point must be 1 or 3 intensities from 1 to 255, got {given!r}")
    return float(values[0]), float(values[1]), float(values[2])


def od_table(white_point: WhiteLike) -> FloatArray:
    """Optical density of every 8-bit intensity: ``-log10(max(I, 1) / I0)``.

    Parameters
    ----------
    white_point : WhitePoint, float or sequence of 3 float
        Intensity ``I0`` of empty glass.

    Returns
    -------
    ndarray of float64, shape (3, 256)
        One row per channel. Intensities above the white point give small negative densities.
    """
    intensity = np.maximum(np.arange(256, dtype=np.float64), 1.0)
    return np.asarray(np.log10(white_rgb(white_point))[:, None] - np.log10(intensity)[None, :])


def optical_density(rgb: UInt8Array, white_point: WhiteLike) -> Float32Array:
    """Optical density of each channel.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (y, x, 3)
        Bright-field colours.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.

    Returns
    -------
    ndarray of float32, shape (y, x, 3)
        ``-log10(max(I, 1) / I0)``, not clipped: noise above the white point is negative.

    Raises
    ------
    UsageError
        If the image is not 8-bit RGB or the white point is out of range.
    """
    _check_rgb(rgb)
    table = od_table(white_point).astype(np.float32)
    return np.stack([table[c][rgb[..., c]] for c in range(3)], axis=-1)


def total_od(rgb: UInt8Array, white_point: WhiteLike) -> Float32Array:
    """Mean optical density over red, green and blue; all stains together.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (y, x, 3)
        Bright-field colours.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass.

    Returns
    -------
    ndarray of float32, shape (y, x)
    """
    _check_rgb(rgb)
    table = od_table(white_point) / 3.0
    total = table[0][rgb[..., 0]] + table[1][rgb[..., 1]] + table[2][rgb[..., 2]]
    return np.asarray(total, dtype=np.float32)


def unmix(rgb: UInt8Array, vectors: StainVectors | npt.ArrayLike, white_point: WhiteLike) -> Float32Array:
    """Separate a bright-field image into stains, in true optical density.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (y, x, 3)
        Bright-field colours.
    vectors : StainVectors or array_like, shape (2, 3) or (3, 3)
        Optical-density direction of each stain. Rows are normalised; with two rows the residual,
        at right angles to both, is fitted and not returned.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass in each channel, not 255: glass of 230 read as 255 is 0.045 OD of nothing.

    Returns
    -------
    ndarray of float32, shape (stains, y, x)
        Amounts in optical density along each unit vector: as many planes as stains given, and for
        `StainVectors` the two named stains and the residual. Negative values are kept, because a mean over
        clipped noise is no longer zero on empty glass.

    Raises
    ------
    UsageError
        If the image, the vectors or the white point cannot be used.

    Notes
    -----
    ``OD = -log10(max(I, 1) / I0)``, ``amounts = OD @ inverse(matrix)`` (Ruifrok and Johnston 2001).
    scikit-image's ``separate_stains`` divides by about 6 (its logarithm has base 1e-6) and clips negatives;
    thresholds in optical density do not apply to it.
    """
    _check_rgb(rgb)
    matrix = as_matrix(vectors)
    stains = 3 if isinstance(vectors, StainVectors) else len(np.asarray(vectors))
    table = np.ascontiguousarray(_stain_table(matrix, white_point)[:stains])
    out = np.empty((stains, *rgb.shape[:2]), dtype=np.float32)
    _unmix_float_kernel(np.ascontiguousarray(rgb), table, out)
    return out


def unmix_mod(
    rgb: UInt8Array,
    vectors: StainVectors | npt.ArrayLike,
    white_point: WhiteLike,
    out: Int16Array | None = None,
) -> Int16Array:
    """Separate the two named stains into thousandths of optical density, in fixed point.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (y, x, 3)
        Bright-field colours.
    vectors : StainVectors or array_like, shape (2, 3) or (3, 3)
        Optical-density direction of each stain.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass in each channel.
    out : ndarray of int16, shape (2, y, x), optional
        Receives the result; of many windows the same, it stays in the processor's cache.

    Returns
    -------
    ndarray of int16, shape (2, y, x)
        Stain amounts in mOD (1000 mOD = 1 OD), rounded half up, negatives kept. Integer arithmetic per pixel:
        the same colour gives the same number on every machine, in every window.

    Raises
    ------
    UsageError
        If the image, the vectors or the white point cannot be used.
    """
    _check_rgb(rgb)
    matrix = as_matrix(vectors)
    table = _packed_table(matrix.tobytes(), white_rgb(white_point))
    if out is None:
        out = np.empty((2, *rgb.shape[:2]), dtype=np.int16)
    _unmix_kernel(np.ascontiguousarray(rgb), table, out)
    return out


def total_od_mod(rgb: UInt8Array, white_point: WhiteLike) -> Int16Array:
    """Mean optical density over red, green and blue in thousandths, in fixed point.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (y, x, 3)
        Bright-field colours.
    white_point : WhitePoint, float or sequence of 3 float
        Intensity of empty glass in each channel.

    Returns
    -------
    ndarray of int16, shape (y, x)
        Density in mOD, rounded half up.
    """
    _check_rgb(rgb)
    table = _total_table(white_rgb(white_point))
    out = np.empty(rgb.shape[:2], dtype=np.int16)
    _total_kernel(np.ascontiguousarray(rgb), table, out)
    return out


def _check_rgb(rgb: UInt8Array) -> None:
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[-1] != 3:
        what = f"{rgb.dtype} {rgb.shape}" if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise UsageError(f"expected an 8-bit RGB image of shape (y, x, 3), got {what}")


def _stain_table(matrix: FloatArray, white_point: WhiteLike) -> FloatArray:
    """Contribution of each channel's intensity to each stain, shape (stain, channel, 256)."""
    inverse = np.linalg.inv(matrix)
    return np.asarray(inverse.T[:, :, None] * od_table(white_point)[None, :, :])


@lru_cache(maxsize=64)
def _packed_table(matrix_bytes: bytes, white: tuple[float, float, float]) -> npt.NDArray[np.int64]:
    """Both stains' fixed-point contributions in one 64-bit word: half the look-ups per pixel."""
    matrix = np.frombuffer(matrix_bytes, dtype=np.float64).reshape(3, 3)
    scaled = _stain_table(matrix, white)[:2] * (MOD_PER_OD << _SHIFT)
    # the sum of three must stay inside 31 bits; only nearly parallel vectors could exceed it
    fixed = np.rint(np.clip(scaled, -(_BIAS // 4), _BIAS // 4)).astype(np.int64)
    packed = (fixed[0] << 32) + fixed[1]
    packed[0] += (np.int64(_HALF) << 32) + _BIAS + _HALF
    packed.flags.writeable = False
    return np.asarray(packed, dtype=np.int64)


@lru_cache(maxsize=64)
def _total_table(white: tuple[float, float, float]) -> npt.NDArray[np.int32]:
    fixed = np.rint(od_table(white) / 3.0 * (MOD_PER_OD << _SHIFT)).astype(np.int32)
    fixed[0] += _HALF
    fixed.flags.writeable = False
    return fixed


@njit(cache=True, nogil=True)
def _unmix_kernel(rgb, table, out):  # type: ignore[no-untyped-def]
    height, width = rgb.shape[0], rgb.shape[1]
    red, green, blue = table[0], table[1], table[2]
    first, second = out[0], out[1]
    for y in range(height):
        for x in range(width):
            word = red[rgb[y, x, 0]] + green[rgb[y, x, 1]] + blue[rgb[y, x, 2]]
            first[y, x] = (word >> 32) >> _SHIFT
            second[y, x] = ((word & 0xFFFFFFFF) - _BIAS) >> _SHIFT


@njit(cache=True, nogil=True)
def _unmix_float_kernel(rgb, table, out):  # type: ignore[no-untyped-def]
    for stain in range(out.shape[0]):
        red, green, blue = table[stain, 0], table[stain, 1], table[stain, 2]
        for y in range(rgb.shape[0]):
            for x in range(rgb.shape[1]):
                out[stain, y, x] = red[rgb[y, x, 0]] + green[rgb[y, x, 1]] + blue[rgb[y, x, 2]]


@njit(cache=True, nogil=True)
def _total_kernel(rgb, table, out):  # type: ignore[no-untyped-def]
    red, green, blue = table[0], table[1], table[2]
    for y in range(rgb.shape[0]):
        for x in range(rgb.shape[1]):
            out[y, x] = (red[rgb[y, x, 0]] + green[rgb[y, x, 1]] + blue[rgb[y, x, 2]]) >> _SHIFT
