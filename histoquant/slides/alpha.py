"""Transparency: pixels that a file does not hold become white and invalid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

OPAQUE_ENOUGH = 128  # half covered: below it more of the pixel is missing than there


def over_white(
    rgba: npt.NDArray[np.uint8], *, premultiplied: bool = False
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Compose on white.

    Parameters
    ----------
    rgba : ndarray of uint8, shape (h, w, 4)
        Pixels with alpha last.
    premultiplied : bool
        Whether colours are multiplied by alpha already.

    Returns
    -------
    rgb : ndarray of uint8, shape (h, w, 3)
        White where invalid.
    valid : ndarray of bool, shape (h, w)
        Alpha of at least 128.
    """
    alpha = rgba[..., 3]
    valid = alpha >= OPAQUE_ENOUGH
    rgb = np.ascontiguousarray(rgba[..., :3])
    partial = valid & (alpha < 255)
    if partial.any():
        weight = alpha[partial].astype(np.int32)[:, None]
        colour = rgb[partial].astype(np.int32) * (255 if premultiplied else weight)
        rgb[partial] = np.minimum((colour + 255 * (255 - weight) + 127) // 255, 255)
    rgb[~valid] = 255
    return rgb, valid
