"""A slide as the pyramid napari wants: lazy levels, each half the one below, read where one looks."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import Any

import dask.array as da
import numpy as np
import openslide
from numpy.typing import NDArray

from histoquant.export.pyramid import level_sizes
from histoquant.slides import Plane, Slide
from histoquant.slides.alpha import over_white

CHUNK_PX = 256
"""Most files' own tile. A row of larger chunks that comes into view at once is a frame of 0.3 s."""


class SlideLevel:
    """One level as numpy's basic indexing sees it: uint8, shape (height, width, 3).

    Parameters
    ----------
    slide : Slide
    step : int
        Level-0 pixels per pixel, a power of two.
    stored : StoredPyramid or None
        The file's own levels; None reads all from level 0.
    """

    def __init__(self, slide: Slide, step: int, stored: StoredPyramid | None) -> None:
        self._slide = slide
        self._step = step
        self._stored = stored
        width, height = slide.size_px
        self.shape = (-(-height // step), -(-width // step), 3)
        self.dtype = np.dtype(np.uint8)
        self.ndim = 3

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        """Read a window."""
        (top, bottom, _), (left, right, _), _ = (
            part.indices(length) for part, length in zip(index, self.shape, strict=True)
        )
        width, height = right - left, bottom - top
        if self._step > 1 and self._stored is not None:
            return self._stored.read(left, top, width, height, self._step)
        plane = Plane.at_factor(self._slide, float(self._step), float(self._step))
        rgb = np.full((height, width, 3), 255, np.uint8)
        part, _ = plane.read(left, top, width, height)
        rgb[: part.shape[0], : part.shape[1]] = part
        return rgb


class StoredPyramid:
    """Levels that the file itself holds, through OpenSlide.

    They are for looking at only: scanners make them each in its own way, so nothing is measured on them.
    """

    def __init__(self, handle: openslide.OpenSlide) -> None:
        self._handle = handle
        self._lock = Lock()

    @classmethod
    def of(cls, slide: Slide) -> StoredPyramid | None:
        """The file's own levels, or None where OpenSlide does not read it or it has but one."""
        with suppress(openslide.OpenSlideError, OSError):
            handle = openslide.OpenSlide(slide.path)
            if handle.level_count > 1 and handle.dimensions == slide.size_px:
                return cls(handle)
            handle.close()
        return None

    def read(self, x: int, y: int, width: int, height: int, step: int) -> NDArray[np.uint8]:
        """Window of the level of ``step``, from the nearest finer one that is stored."""
        with self._lock:
            level = self._handle.get_best_level_for_downsample(step * 1.01)
            factor = step / self._handle.level_downsamples[level]
            size = (max(1, round(width * factor)), max(1, round(height * factor)))
            tile = self._handle.read_region((x * step, y * step), level, size)
        if tile.size != (width, height):
            tile = tile.resize((width, height), reducing_gap=2.0)
        rgb, _ = over_white(np.asarray(tile, np.uint8))
        return np.asarray(rgb, np.uint8)


def slide_levels(slide: Slide) -> list[Any]:
    """Lazy levels of a slide.

    Parameters
    ----------
    slide : Slide
        Open; stays open as long as the levels are used.

    Returns
    -------
    list of dask.array.Array
        uint8, shape (height, width, 3), halved until the longer side is at most 512.
    """
    stored = StoredPyramid.of(slide)
    levels = []
    for k in range(len(level_sizes(slide.size_px))):
        level = SlideLevel(slide, 1 << k, stored)
        # no name from the path: it would be a hash of what must not be told, and costs reading it
        levels.append(
            da.from_array(
                level,
                chunks=(CHUNK_PX, CHUNK_PX, 3),
                name=False,
                asarray=False,
                meta=np.empty((0, 0, 0), np.uint8),
            )
        )
    return levels
