"""What every slide can do, whichever reader is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from histoquant.slides.pieces import Piece
from histoquant.slides.plane import Plane
from histoquant.slides.unread import Unread, Window

RGB = npt.NDArray[np.uint8]
Valid = npt.NDArray[np.bool_]

WORKING_MPP = 0.5  # um/px: 20x, where nuclei are about 12 px wide (architecture decision 2)


@runtime_checkable
class Slide(Protocol):
    """A slide: level-0 pixels, their size in micrometres, and nothing about the patient.

    Pixels that the file does not hold (outside the canvas, sparse or transparent) read as white
    and are marked invalid; they are never tissue, background or stain.
    """

    @property
    def path(self) -> Path:
        """File or folder the pixels come from."""

    @property
    def name(self) -> str:
        """File name without its slide suffix, or the folder name."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in level-0 pixels."""

    @property
    def mpp(self) -> float:
        """Micrometres per level-0 pixel, mean of x and y."""

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """Micrometres per level-0 pixel in x and in y."""

    @property
    def mpp_source(self) -> str:
        """Where the resolution came from, for example ``"aperio.MPP"`` or ``"option --mpp"``."""

    @property
    def reader(self) -> str:
        """``"tiff"``, ``"openslide"`` or ``"image"``."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What a person should know before trusting the slide."""

    @property
    def icc_sha256(self) -> str | None:
        """Digest of the embedded colour profile, or None."""

    def read(self, x_px: int, y_px: int, width: int, height: int, mpp: float | None = WORKING_MPP) -> RGB:
        """Read a window at any resolution."""

    def read_with_valid(
        self, x_px: int, y_px: int, width: int, height: int, mpp: float | None = WORKING_MPP
    ) -> tuple[RGB, Valid]:
        """Read a window and which of its pixels the file really holds."""

    def read_level0(self, x: int, y: int, width: int, height: int) -> tuple[RGB, Valid]:
        """Read full-resolution pixels."""

    def plane(self, mpp: float) -> Plane:
        """See the slide on a pixel grid of ``mpp`` um/px."""

    def forget_rest(self) -> None:
        """Release cached tiles of a slide too large for the cache: the next reader begins elsewhere."""

    def close(self) -> None:
        """Release file handles and cached tiles."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True)
class SlideFacts:
    """What leaves a reader about a slide; an allow-list, so no label text or identifier can.

    Parameters
    ----------
    path : Path
        File or folder.
    name : str
        File name without slide suffix.
    reader : str
        ``"tiff"``, ``"openslide"`` or ``"image"``.
    format : str
        For people: ``"Aperio SVS"``, ``"OME-TIFF"``, ...
    size_px : tuple of int
        Level-0 width and height.
    mpp_xy : tuple of float
        Micrometres per level-0 pixel.
    mpp_source : str
        Where the resolution came from.
    flags : tuple of str
        Warnings that go into the slide's row.
    icc_sha256 : str or None
        Digest of the embedded colour profile, which is recorded and not applied.
    """

    path: Path
    name: str
    reader: str
    format: str
    size_px: tuple[int, int]
    mpp_xy: tuple[float, float]
    mpp_source: str
    flags: tuple[str, ...] = ()
    icc_sha256: str | None = None


class BaseSlide:
    """Everything but the pixels; a reader adds ``read_level0`` and ``close``.

    Parameters
    ----------
    facts : SlideFacts
        What is known about the slide.
    """

    def __init__(self, facts: SlideFacts) -> None:
        self.facts = facts
        self.unread: Unread | None = None
        """What may be missing; None: nothing, and a part that cannot be decoded is an error."""

    def may_miss(self, window: Window, reason: str) -> bool:
        """Whether a window that cannot be decoded may read as not there; it is noted then."""
        return self.unread is not None and self.unread.passes(window, reason)

    @property
    def path(self) -> Path:
        """File or folder the pixels come from."""
        return self.facts.path

    @property
    def name(self) -> str:
        """File name without its slide suffix, or the folder name."""
        return self.facts.name

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in level-0 pixels."""
        return self.facts.size_px

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """Micrometres per level-0 pixel in x and in y."""
        return self.facts.mpp_xy

    @property
    def mpp(self) -> float:
        """Micrometres per level-0 pixel, mean of x and y."""
        return (self.facts.mpp_xy[0] + self.facts.mpp_xy[1]) / 2

    @property
    def mpp_source(self) -> str:
        """Where the resolution came from."""
        return self.facts.mpp_source

    @property
    def reader(self) -> str:
        """``"tiff"``, ``"openslide"`` or ``"image"``."""
        return self.facts.reader

    @property
    def format(self) -> str:
        """File format in words."""
        return self.facts.format

    @property
    def flags(self) -> tuple[str, ...]:
        """What a person should know before trusting the slide."""
        return self.facts.flags

    @property
    def icc_sha256(self) -> str | None:
        """Digest of the embedded colour profile (recorded, never applied), or None."""
        return self.facts.icc_sha256

    def read_level0(self, x: int, y: int, width: int, height: int) -> tuple[RGB, Valid]:
        """Read full-resolution pixels.

        Parameters
        ----------
        x, y : int
            Level-0 pixel of the window's top-left corner; may lie outside the slide.
        width, height : int
            Window size in level-0 pixels.

        Returns
        -------
        rgb : ndarray of uint8, shape (height, width, 3)
            White where invalid.
        valid : ndarray of bool, shape (height, width)
            False outside the canvas and where the file holds no pixels.

        Raises
        ------
        SlideFailedError
            When pixels cannot be decoded; names the tile.
        """
        raise NotImplementedError

    def read_means(self, x: int, y: int, width: int, height: int, factor: int) -> tuple[RGB, Valid] | None:
        """Read a window in means of ``factor`` x ``factor`` level-0 pixels, all counted in means.

        The bytes that averaging :meth:`read_level0` gives; None where a reader has no faster way.
        """
        return None

    def block_px(self, factor: int) -> tuple[int, int] | None:
        """Width and height of the blocks of :meth:`pieces`; None where a reader has none."""
        return None

    def pieces(self, factor: int) -> Iterator[Piece]:
        """All of the slide in means of ``factor`` x ``factor`` level-0 pixels, block by block."""
        raise NotImplementedError

    def plane(self, mpp: float | None) -> Plane:
        """See the slide on a pixel grid of a chosen resolution.

        Parameters
        ----------
        mpp : float or None
            Micrometres per plane pixel, both axes; None is the slide's own pixels. A factor within
            0.5 % of a whole number is taken as that number: scanners state no better, and a resample
            by 1.002 would blur for nothing. ``Plane.mpp_xy`` tells what was delivered.

        Returns
        -------
        Plane
        """
        return Plane.at_mpp(self, mpp)

    def read_with_valid(
        self, x_px: int, y_px: int, width: int, height: int, mpp: float | None = WORKING_MPP
    ) -> tuple[RGB, Valid]:
        """Read a window at any resolution, with the validity of each pixel.

        Parameters
        ----------
        x_px, y_px : int
            Level-0 pixel that the window's top-left pixel contains.
        width, height : int
            Size of the result in pixels of ``mpp``.
        mpp : float or None
            Micrometres per pixel of the result; None for the slide's own pixels.

        Returns
        -------
        rgb : ndarray of uint8, shape (height, width, 3)
            White where invalid.
        valid : ndarray of bool, shape (height, width)
            True where at least half of the pixel's area is held by the file.

        Notes
        -----
        The pixel grid is anchored at the slide's top-left corner, so a pixel has the same bytes in
        every window that contains it.
        """
        plane = self.plane(mpp)
        x, y = plane.index_of(x_px, y_px)
        return plane.read(x, y, width, height)

    def read(self, x_px: int, y_px: int, width: int, height: int, mpp: float | None = WORKING_MPP) -> RGB:
        """Read a window at any resolution; :meth:`read_with_valid` without the validity."""
        return self.read_with_valid(x_px, y_px, width, height, mpp)[0]

    def forget_rest(self) -> None:
        """Release cached tiles of a slide too large for the cache: the next reader begins elsewhere."""

    def close(self) -> None:
        """Release file handles and cached tiles."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        width, height = self.size_px
        return f"<Slide {self.name!r} {width} x {height} px, {self.mpp:.4g} um/px from {self.mpp_source}>"
