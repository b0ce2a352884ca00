"""Kernels compiled before a run needs them, by a process that ends: a compiler keeps what it made, 0.6 GB."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import tifffile
from llvmlite.binding import get_host_cpu_name  # type: ignore[import-untyped]

from histoquant.errors import HistoquantError
from histoquant.markers import get_marker
from histoquant.objects.walk import walk
from histoquant.report.canvas import paint_dots
from histoquant.report.palette import HALO_LIGHT
from histoquant.run.build import build_digest
from histoquant.run.job import SlideJob, file_state
from histoquant.run.tasks import commit_slide, plan_slide, run_batch

UInt8Array = npt.NDArray[np.uint8]

_LIMIT_S: Final = 900.0  # four times what all markers take on a slow core
_SIDE_PX: Final = 1000  # no multiple of anything: windows reach beyond it
_MPP: Final = 0.5
_WHITE: Final = 240.0
# OD of red, green and blue; about Ruifrok and Johnston's.
_HAEMATOXYLIN: Final = (0.65, 0.70, 0.29)
_DAB: Final = (0.27, 0.57, 0.78)


def compile_ahead(markers: Iterable[str]) -> None:
    """Have the kernels of markers compiled, where no run of this build has done so yet.

    A small drawn slide goes through plan, tiles and commit in a process of its own. Without it every worker
    would compile, all at the same time, and hold the compiler's memory to its end. What the drawing does
    not ask for is compiled when it is needed, and so is everything if that process fails or is not done after
    a quarter of an hour.

    Parameters
    ----------
    markers : iterable of str
        Names.
    """
    missing = sorted({marker for marker in markers if not _mark_of(marker).exists()})
    if not missing:
        return
    _tell("compiling, for one to four minutes and once after an installation.")
    # the folder is gone even where the process is stopped
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(prefix="histoquant-") as folder:
        process, nothing = [sys.executable, "-P", "-m", __name__, folder, *missing], subprocess.DEVNULL
        try:
            subprocess.run(  # noqa: S603
                process, stdin=nothing, stdout=nothing, stderr=nothing, check=False, timeout=_LIMIT_S
            )
        except subprocess.TimeoutExpired:
            _tell(
                f"compiling was stopped after {_LIMIT_S:g} s. The run goes on and compiles what it needs, "
                "which takes longer."
            )


def _tell(what: str) -> None:
    print(f"histoquant: {what}", file=sys.stderr, flush=True)


def drawn_tissue(side_px: int) -> UInt8Array:
    """A section with nuclei, alone and in clumps, brown cells and brown rings around glass.

    Parameters
    ----------
    side_px : int

    Returns
    -------
    ndarray of uint8, shape (side_px, side_px, 3)
    """
    random = np.random.default_rng(0)
    blue, brown = (np.zeros((side_px, side_px), np.float32) for _ in range(2))
    margin = side_px // 8
    tissue = slice(margin, side_px - margin)
    blue[tissue, tissue] = 0.06
    for kind, (x, y) in enumerate(random.integers(margin + 16, side_px - margin - 16, (1200, 2)).tolist()):
        axes, turn = random.integers(5, 9, 2).tolist(), int(random.integers(0, 180))
        if kind % 3 == 0:
            cv2.ellipse(brown, (x, y), (axes[0] + 4, axes[1] + 4), turn, 0, 360, 0.5, -1)
        cv2.ellipse(blue, (x, y), axes, turn, 0, 360, 0.45, -1)
        if kind % 40 == 0:
            cv2.ellipse(brown, (x, y), (axes[0] + 14, axes[1] + 8), turn, 0, 360, 0.6, 4)
    grain = random.normal(0.0, 0.02, (2, side_px, side_px)).astype(np.float32)
    blue, brown = (cv2.GaussianBlur(stain, (0, 0), 1.0) + grain[k] for k, stain in enumerate((blue, brown)))
    density = np.multiply.outer(blue, _HAEMATOXYLIN) + np.multiply.outer(brown, _DAB)
    return np.asarray(np.clip(_WHITE * 10.0**-density, 0.0, 255.0), np.uint8)


def _compile(marker: str, scratch: str) -> None:
    """Quantify the drawing as one marker, and leave a mark beside the kernels."""
    # statistics are slow to load, and who only asks whether all is compiled needs none
    from histoquant.metrics.hotspot import find_hotspot
    from histoquant.metrics.tissue import Tissue

    # a plug-in may refuse the drawing: what it needs is compiled with its first slide
    with contextlib.suppress(HistoquantError), tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder, f"{marker}.tif")
        rgb = drawn_tissue(_SIDE_PX)
        tifffile.imwrite(path, rgb, tile=(256, 256), compression="jpeg", photometric="rgb")
        size, modified = file_state(path)
        job = SlideJob(
            slide_id=marker,
            path=path,
            out=Path(folder, "out"),
            marker=get_marker(marker),
            mpp=_MPP,
            size_bytes=size,
            modified_ns=modified,
        )
        for number in range(plan_slide(job).batches):
            run_batch(job, number)
        commit_slide(job)
    # of a large slide, cells are dots, and hotspots are sought
    paint_dots(np.zeros((8, 8, 3), np.uint8), np.zeros((1, 2)), HALO_LIGHT, 1.0)
    nuclei, tissue = np.full((9, 2), 1500.0), Tissue(np.ones((60, 60), bool), 50.0, 50.0)
    find_hotspot(nuclei[:3, 0], nuclei[:3, 1], tissue, 0, among=nuclei)
    _mark_of(marker).touch()


def _mark_of(marker: str) -> Path:
    """File that says that a marker's kernels were compiled, for this build and this kind of processor."""
    name = f"compiled-{marker}-{get_host_cpu_name()}-{build_digest()[:16]}"
    return Path(walk.stats.cache_path, name)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        _compile(name, sys.argv[1])
