"""The working plane of a slide that is read often: decoded when it is planned, read from disk afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from histoquant.run.job import SlideJob
from histoquant.run.space import kept_pixels_bytes
from histoquant.slides import Plane, Slide, working_plane
from histoquant.slides.pieces import Piece
from histoquant.store.kept_pixels import KeptPixels
from histoquant.store.layout import OutputFolder
from histoquant.store.local_disk import is_local


@dataclass(frozen=True)
class KeptPlane(Plane):
    """A plane of which pixels are kept on disk.

    Parameters
    ----------
    kept : KeptPixels
    keeps : bool
        Whether what is read in pieces is kept.
    """

    kept: KeptPixels
    keeps: bool

    def read(
        self, x: int, y: int, width: int, height: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Read a window of the plane; see :meth:`Plane.read`, whose bytes these are."""
        found = self.kept.read(x, y, width, height)
        if found is None:
            return super().read(x, y, width, height)
        (rgb, valid), missing = found
        for left, top, across, down in missing:
            to = slice(top - y, top - y + down), slice(left - x, left - x + across)
            rgb[to], valid[to] = super().read(left, top, across, down)
        return rgb, valid

    def pieces(self) -> Iterator[Piece]:
        """Each pixel once; see :meth:`Plane.pieces`."""
        for piece in super().pieces():
            if self.keeps:
                self.kept.keep(piece)
            yield piece


@contextmanager
def keeping(job: SlideJob, slide: Slide) -> Iterator[Plane]:
    """The working plane of a slide to be planned; what is read of it is kept where the disk lends itself.

    Parameters
    ----------
    job : SlideJob
        Whose work folder the pixels go to.
    slide : Slide
        Open slide.
    """
    plane, folder = _working_plane(job, slide)
    most_bytes = kept_pixels_bytes(folder) if is_local(folder) else 0
    kept = KeptPixels.begin(folder, plane.size_px, plane.block_px, most_bytes) if most_bytes else None
    if kept is None:
        yield plane
        return
    yield KeptPlane(plane.slide, plane.axis_x, plane.axis_y, kept, keeps=True)
    kept.seal()


def plane_of(job: SlideJob, slide: Slide) -> Plane:
    """The working plane of a planned slide, read from what its plan kept of it."""
    plane, folder = _working_plane(job, slide)
    kept = KeptPixels.find(folder, plane.size_px)
    return plane if kept is None else KeptPlane(plane.slide, plane.axis_x, plane.axis_y, kept, keeps=False)


def _working_plane(job: SlideJob, slide: Slide) -> tuple[Plane, Path]:
    plane = working_plane(slide, job.parameters.working_mpp_um)
    return plane, OutputFolder(job.out).work(job.slide_id, job.work_key)
