"""Outlines of a mask along the edges of its pixels, holes included."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def mask_edges(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.int32]]:
    """Contours of the mask enlarged three times, brought back to the corners of its pixels.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)

    Returns
    -------
    list of ndarray of int32, shape (n, 2)
        Closed polygons of x, y (pixel 0 spans 0 to 1); holes run the other way round than outer ones.
    """
    height, width = mask.shape
    large = cv2.resize(mask.astype(np.uint8), (3 * width, 3 * height), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # a corner of a pixel in the enlarged mask lies within 1 of a multiple of 3
    return [((contour[:, 0, :] + 1) // 3).astype(np.int32) for contour in contours]
