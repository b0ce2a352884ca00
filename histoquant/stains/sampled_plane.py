"""The sampled blocks of a plane, read once for all that is counted in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from histoquant.tiling.survey import PlaneLike

Window = tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class SampledPlane:
    """A plane that holds every block it is asked for, together with what surrounds it.

    For a sample of 64 blocks, of which vectors ask for the blocks and strengths for what surrounds them, too:
    14 MB, gone with this object.

    Parameters
    ----------
    plane : PlaneLike
        Where pixels come from.
    block_px : int
        Side of a block.
    halo_px : int
        What surrounds it.
    """

    plane: PlaneLike
    block_px: int
    halo_px: int
    # validity only where not all of a window is valid
    _held: dict[tuple[int, int], tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]] = field(
        default_factory=dict
    )

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in plane pixels."""
        return self.plane.size_px

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """Micrometres per plane pixel."""
        return self.plane.mpp_xy

    def read(self, x: int, y: int, width: int, height: int) -> Window:
        """Colours and validity of a window, as the plane gives them; not to be written to."""
        whole_px = self.block_px + 2 * self.halo_px
        if (width, height) == (whole_px, whole_px):
            return self._window(x, y)
        if (width, height) != (self.block_px, self.block_px):
            return self.plane.read(x, y, width, height)
        rgb, valid = self._window(x - self.halo_px, y - self.halo_px)
        inner = slice(self.halo_px, self.halo_px + self.block_px)
        return rgb[inner, inner], valid[inner, inner]

    def _window(self, x: int, y: int) -> Window:
        whole_px = self.block_px + 2 * self.halo_px
        if (x, y) not in self._held:
            rgb, valid = self.plane.read(x, y, whole_px, whole_px)
            self._held[x, y] = rgb, None if valid.all() else valid
        rgb, held = self._held[x, y]
        return rgb, np.ones((whole_px, whole_px), np.bool_) if held is None else held
