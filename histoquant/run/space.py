"""Whether the disk that results go to has room for them, before hours of work run into its end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from histoquant.run.job import SlideJob
from histoquant.slides import preflight

# Measured on the sample trial (14 slides of 2500 x 2500 px at 0.5 um/px): pictures 7.3 to 9.5 MB per slide,
# whose size is bounded, and tables 1.0 to 1.3 MB per mm2 of tissue; batches under way take as much again.
PICTURES_BYTES: Final = 12_000_000
TABLE_BYTES_PER_MM2: Final = 1_500_000
TISSUE_SHARE: Final = 0.3  # of the scanned area; biopsies fill less, resections up to twice that
# Pixels of a slide's working plane, kept until it is committed: 170 mm2 at 0.5 um/px, and never what others
# would miss.
KEPT_PIXELS_BYTES: Final = 2 << 30
_KEPT_SHARE: Final = 16
_LOOKED_AT: Final = 32  # slides whose headers are read; the others count as their mean


def needed_bytes(jobs: list[SlideJob]) -> int:
    """Estimate what slides leave on disk.

    Parameters
    ----------
    jobs : list of SlideJob
        Slides still to be quantified.

    Returns
    -------
    int
        Bytes, from the scanned area of up to 32 of them; within a factor of two for typical slides.
    """
    looked_at = jobs[:: max(1, len(jobs) // _LOOKED_AT)][:_LOOKED_AT]
    areas_mm2 = [area for job in looked_at if (area := _area_mm2(job)) is not None]
    mean_mm2 = sum(areas_mm2) / len(areas_mm2) if areas_mm2 else 0.0
    return round(len(jobs) * (PICTURES_BYTES + 2 * TABLE_BYTES_PER_MM2 * TISSUE_SHARE * mean_mm2))


def _area_mm2(job: SlideJob) -> float | None:
    found = preflight(job.path, mpp=job.mpp, study_mpp=job.study_mpp)
    if found.size_px is None or found.mpp is None:
        return None
    return found.size_px[0] * found.size_px[1] * found.mpp**2 / 1e6


def kept_pixels_bytes(folder: Path) -> int:
    """What one slide's kept pixels may take of a disk: at most 2 GiB, and a sixteenth of what is free on it.

    Estimates leave them out: they shrink with the room there is, and go with the slide's commit.
    """
    return min(KEPT_PIXELS_BYTES, shutil.disk_usage(folder).free // _KEPT_SHARE)


def shortage(jobs: list[SlideJob], out: Path) -> str:
    """Say that room is short.

    Parameters
    ----------
    jobs : list of SlideJob
        Slides still to be quantified.
    out : Path
        Output folder.

    Returns
    -------
    str
        One line, or nothing where the estimate fits.
    """
    needed, free = needed_bytes(jobs), shutil.disk_usage(out).free
    if needed <= free:
        return ""
    return (
        f"{out}: about {needed / 1e9:.2f} GB of results are to come and {free / 1e9:.2f} GB are free. The "
        "run stops when the disk is full, keeps what is finished, and goes on when it is run again."
    )
