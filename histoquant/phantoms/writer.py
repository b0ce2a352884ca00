"""Write a slide as a pyramidal tiled JPEG TIFF that tifffile, OpenSlide and QuPath open at true um/px."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

TILE_PX = 256
LEVEL_STEP = 4  # each level is a quarter of the one before, as scanners write them
SMALLEST_PX = 256  # no level below this


def halve_twice(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image at a quarter of its size, each pixel the rounded mean of 4 x 4 (edges cut off)."""
    height, width = (side // LEVEL_STEP for side in rgb.shape[:2])
    out = np.empty((height, width, 3), np.uint8)
    # strip by strip: sums of a whole slide would be four times the slide
    for top in range(0, height, TILE_PX):
        rows = min(TILE_PX, height - top)
        strip = rgb[4 * top : 4 * (top + rows), : 4 * width].reshape(rows, 4, width, 4, 3)
        out[top : top + rows] = (strip.sum(axis=(1, 3), dtype=np.uint32) + 8) // 16
    return out


def write_slide(path: Path, rgb: NDArray[np.uint8], mpp: float, *, quality: int = 85) -> None:
    """Write a slide; the same pixels give the same bytes.

    Parameters
    ----------
    path : Path
        File to write; its folder must exist.
    rgb : ndarray of uint8, shape (h, w, 3)
    mpp : float
        um per pixel of level 0, stored as pixels per centimetre.
    quality : int
        JPEG quality, 1 to 100; chroma is stored at half resolution as scanners do.
    """
    levels = [rgb]
    while min(levels[-1].shape[:2]) // LEVEL_STEP >= SMALLEST_PX:
        levels.append(halve_twice(levels[-1]))
    with tifffile.TiffWriter(path, bigtiff=False) as tiff:
        for number, level in enumerate(levels):
            per_cm = 1e4 / (mpp * LEVEL_STEP**number)
            tiff.write(
                level,
                photometric="rgb",
                tile=(TILE_PX, TILE_PX),
                compression="jpeg",
                compressionargs={"level": quality, "subsampling": (2, 2), "outcolorspace": "ycbcr"},
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                subfiletype=0 if number == 0 else 1,
                software="histoquant phantoms" if number == 0 else False,
                description="synthetic slide: no patient" if number == 0 else None,
                metadata=None,
            )
