"""Slides to measure speed on: the colon image of scikit-image, mirrored to any size. No good for accuracy."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.data import immunohistochemistry

from histoquant.phantoms.writer import write_slide

NAME = "P01_T1_V1_CD68.tif"


def colon(side_px: int) -> NDArray[np.uint8]:
    """DAB-stained colon, all tissue, mirrored so that no seam shows; shape (side, side, 3)."""
    image = immunohistochemistry()
    pair = np.concatenate([image, image[:, ::-1]], axis=1)
    block = np.concatenate([pair, pair[::-1]], axis=0)
    out = np.empty((side_px, side_px, 3), np.uint8)  # once: 400 mm2 are 4.8 GB
    step = block.shape[0]
    for y in range(0, side_px, step):
        for x in range(0, side_px, step):
            part = out[y : y + step, x : x + step]
            part[:] = block[: part.shape[0], : part.shape[1]]
    return out


def slide(folder: Path, side_px: int, magnified: int = 1) -> Path:
    """Write a slide of ``side_px`` at 0.5 um/px: JPEG quality 85, 4:2:0, tiles of 256 px.

    Parameters
    ----------
    folder : Path
    side_px : int
        Edge at 0.5 um/px.
    magnified : int
        2 for the same tissue at 0.25 um/px, four times the pixels.

    Returns
    -------
    Path
    """
    place = folder / f"{side_px}x{magnified}"
    place.mkdir(parents=True, exist_ok=True)
    path = place / NAME
    if not path.exists():
        rgb = colon(side_px)
        if magnified > 1:
            edge = side_px * magnified
            rgb = np.asarray(cv2.resize(rgb, (edge, edge), interpolation=cv2.INTER_CUBIC), np.uint8)
        write_slide(path, rgb, 0.5 / magnified)
    return path
