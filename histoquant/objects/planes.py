"""One window of a slide as integer stain planes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from histoquant.errors import UsageError
from histoquant.objects.gains import plane_at_gain
from histoquant.stains import StainVectors, total_od_mod, unmix_mod
from histoquant.stains.density import WhiteLike
from histoquant.stains.settings import GAIN_UNIT
from histoquant.stains.uneven import without_haze

Int16Array = npt.NDArray[np.int16]
BoolArray = npt.NDArray[np.bool_]

# Below 0.1 um/px a nucleus has more pixels than any lens resolves; above 2 it has fewer than ten.
MPP_RANGE = (0.1, 2.0)


class Stains(NamedTuple):
    """Both stains as they were measured, and the gain in 1/1024 at which they are to be read.

    What reads each pixel once reads it as `at_gain` makes it, so that no plane is made.
    """

    hematoxylin: Int16Array
    dab: Int16Array
    gain: int


@dataclass(frozen=True, eq=False)
class Planes:
    """Stain planes of one window in thousandths of optical density (mOD).

    Integers make every later sum exact, so that results do not depend on how a slide is cut into windows.

    Parameters
    ----------
    hematoxylin, dab : ndarray of int16, shape (h, w)
        Unmixed stains in mOD; DAB holds eosin for an H&E slide. Slightly negative values are noise and kept.
    total : ndarray of int16, shape (h, w), or None
        Mean optical density over red, green and blue in mOD; None where no vessels are looked for.
    valid : ndarray of bool, shape (h, w)
        Where the slide has pixels; the planes are 0 elsewhere.
    mpp : float
        Micrometres per pixel of the window.

    Raises
    ------
    UsageError
        If the shapes or types differ, there are no pixels, or the resolution cannot show nuclei.
    """

    hematoxylin: Int16Array
    dab: Int16Array
    total: Int16Array | None
    valid: BoolArray
    mpp: float

    def __post_init__(self) -> None:
        for name in ("hematoxylin", "dab", "total"):
            plane = getattr(self, name)
            if plane is None and name == "total":
                continue
            if plane.ndim != 2 or plane.dtype != np.int16 or plane.shape != self.valid.shape:
                raise UsageError(
                    f"stain plane {name} must be int16 of shape {self.valid.shape}, "
                    f"got {plane.dtype} of shape {plane.shape}"
                )
        if self.valid.dtype != np.bool_:
            raise UsageError(f"the validity plane must be bool, got {self.valid.dtype}")
        if self.valid.size == 0:
            raise UsageError(f"a window of {self.valid.shape} pixels shows nothing; read one that has some")
        if not MPP_RANGE[0] <= self.mpp <= MPP_RANGE[1]:
            raise UsageError(
                f"nuclei cannot be told at {self.mpp:g} um/px; read the slide at "
                f"{MPP_RANGE[0]:g} to {MPP_RANGE[1]:g} um/px"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.valid.shape[0], self.valid.shape[1]

    @cached_property
    def whole(self) -> bool:
        """Whether all pixels are valid, asked once."""
        one = self.valid.strides[0] == 0  # row that stands for all
        return bool((self.valid[:1] if one else self.valid).all())

    @property
    def known(self) -> BoolArray:
        """`valid` for kernels that ask the last row for all beyond it: one row where all pixels are valid."""
        return np.ones((1, self.shape[1]), np.bool_) if self.whole else self.valid

    @property
    def stains(self) -> Stains:
        """Both stains, for what can read them at a gain."""
        return Stains(self.hematoxylin, self.dab, GAIN_UNIT)

    def scaled(self, gain: int) -> Planes:
        """The same window as if every stain were stronger or weaker by one factor.

        Parameters
        ----------
        gain : int
            Factor in 1/1024; the nucleus search reads a slide at standard strength this way.

        Returns
        -------
        Planes
            Both stains, rounded half up, cut off where 16 bits end, each made when it is asked for; this
            window itself for a factor of one.
        """
        return self if gain == GAIN_UNIT else _Scaled(self, gain)

    def clear_haze(self, haze_mod: Int16Array) -> None:
        """Take unspecific DAB off, in place, because every plane of a window counts.

        Parameters
        ----------
        haze_mod : ndarray of int16, shape (h, w)
            To be taken off, thousandths of OD, as `HazeMap.window` gives it. ``total`` stays as scanned:
            glass is told by it, and haze lies on tissue.
        """
        self.dab[:] = without_haze(self.dab, haze_mod)

    @classmethod
    def from_rgb(
        cls,
        rgb: npt.NDArray[np.uint8],
        valid: BoolArray | None,
        vectors: StainVectors | npt.ArrayLike,
        white_point: WhiteLike,
        mpp: float,
        *,
        total: bool = True,
    ) -> Planes:
        """Unmix a bright-field window.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (h, w, 3)
            Bright-field colours.
        valid : ndarray of bool, shape (h, w), or None
            Where the slide has pixels; None for everywhere.
        vectors : StainVectors or array_like, shape (2, 3) or (3, 3)
            Stain directions: haematoxylin first, then DAB or eosin.
        white_point : WhitePoint, float or sequence of 3 float
            Intensity of empty glass.
        mpp : float
            Micrometres per pixel.
        total : bool
            Whether the mean density of the colours is wanted: for vessels alone.

        Returns
        -------
        Planes

        Raises
        ------
        UsageError
            If the image, white point or resolution cannot be used.
        """
        stains = unmix_mod(rgb, vectors, white_point)
        density = total_od_mod(rgb, white_point) if total else None
        shape = stains.shape[1:]
        known = np.ones(shape, dtype=np.bool_) if valid is None else np.asarray(valid, dtype=np.bool_)
        if known.shape != shape:
            raise UsageError(f"the validity plane has shape {known.shape}, the image {shape}")
        planes = cls(stains[0], stains[1], density, known, float(mpp))
        if planes.whole:
            # of a tile in which nuclei are sought, where every byte counts, one pixel says it of all
            return planes if total else replace(planes, valid=np.broadcast_to(np.True_, shape))
        stains[:, ~known] = 0
        if density is not None:
            density[~known] = 0
        return planes


class _Scaled(Planes):
    """A window whose stains are made of those of another, where somebody asks for planes."""

    _of: Planes
    _gain: int

    def __init__(self, of: Planes, gain: int) -> None:
        told = {"total": None, "valid": of.valid, "mpp": of.mpp}
        self.__dict__.update(told, _of=of, _gain=gain)

    @property
    def whole(self) -> bool:
        return self._of.whole

    @property
    def stains(self) -> Stains:
        measured = self._of.stains
        return measured._replace(gain=self._gain)

    @cached_property
    def hematoxylin(self) -> Int16Array:
        return plane_at_gain(self._of.hematoxylin, self._gain)

    @cached_property
    def dab(self) -> Int16Array:
        return plane_at_gain(self._of.dab, self._gain)
