"""Blobs: nuclei as places darker in red light than their surroundings. A template, not a good segmenter."""

from __future__ import annotations

import cv2
import numpy as np

NUCLEUS_UM = 2.0
SURROUNDINGS_UM = 8.0
DARKER = 12
"""Grey values that a nucleus is darker than its surroundings."""


class Blobs:
    """Difference of Gaussians at one fixed threshold: no statistic of the window enters."""

    version = "1"
    # 8-bit Gaussians of OpenCV are whole-number arithmetic: a pixel is the same in every window
    exact = True
    halo_um = 3 * SURROUNDINGS_UM

    def labels(self, rgb, valid, mpp):
        """Label connected dark places."""
        red = np.where(valid, rgb[..., 0], 255).astype(np.uint8)
        near = cv2.GaussianBlur(red, _kernel(NUCLEUS_UM / mpp), 0)
        far = cv2.GaussianBlur(red, _kernel(SURROUNDINGS_UM / mpp), 0)
        dark = cv2.subtract(far, near) > DARKER
        return cv2.connectedComponents(dark.astype(np.uint8), connectivity=4)[1]


def _kernel(width_px):
    odd = 2 * round(width_px) + 1
    return odd, odd


def load(weights):
    """Entry point: a segmenter that needs no weights takes none."""
    if weights is not None:
        raise ValueError("blobs takes no weights")
    return Blobs()
