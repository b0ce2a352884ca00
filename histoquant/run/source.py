"""What is known of a slide's file beside its pixels: digest, colour profile, what of it cannot be read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from histoquant.errors import SlideFailedError, SlideRefusedError
from histoquant.run.cross_check import CrossCheck
from histoquant.run.job import SlideJob
from histoquant.slides import Slide, slide_files
from histoquant.slides.unread import Unread, Window
from histoquant.store.atomic import file_sha256
from histoquant.tiling.tissue_map import TissueMap


class SourceFacts(BaseModel):
    """Part of the plan: facts about the file that limit what its numbers are worth.

    Attributes
    ----------
    icc_sha256 : str or None
        Digest of the embedded colour profile, which is never applied.
    unread : tuple of Window
        Level-0 windows that cannot be decoded and read as not there.
    unread_percent : float
        Their area, as share of itself and the tissue that was read: what cannot be read may all be tissue, so
        this is the most that can be missing.
    cross_check : CrossCheck or None
        What a second reader made of some tiles, where that was asked for.
    """

    model_config = ConfigDict(frozen=True)

    icc_sha256: str | None = None
    unread: tuple[Window, ...] = ()
    unread_percent: float = 0.0
    cross_check: CrossCheck | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """What a person should know."""
        return (
            *(("UNREAD_TILES",) if self.unread else ()),
            *((self.cross_check.flag,) if self.cross_check is not None and self.cross_check.flag else ()),
        )

    def known_unread(self) -> Unread | None:
        """What may be missing when the planned slide is read again."""
        return Unread(frozenset(self.unread)) if self.unread else None


def source_facts(
    job: SlideJob, slide: Slide, unread: Unread | None, tissue: TissueMap, check: CrossCheck | None
) -> SourceFacts:
    """Sum up what planning met, and refuse a slide of which too much cannot be read.

    Parameters
    ----------
    job : SlideJob
    slide : Slide
        Read through once.
    unread : Unread or None
        What was missing then.
    tissue : TissueMap
    check : CrossCheck or None

    Raises
    ------
    SlideFailedError
        ``UNREADABLE`` when more is missing than the run allows; names the first window's reason.
    """
    if unread is None or not unread.found:
        return SourceFacts(icc_sha256=slide.icc_sha256, cross_check=check)
    missing_mm2 = unread.pixels * slide.mpp_xy[0] * slide.mpp_xy[1] / 1e6
    percent = 100 * missing_mm2 / (missing_mm2 + tissue.tissue_mm2)
    limit = job.parameters.unread_limit_percent
    if percent > limit:
        raise SlideFailedError(
            "UNREADABLE",
            f"{next(iter(unread.found.values()))} In all {len(unread.found)} parts, up to {percent:.3g} % of "
            f"the tissue, where {limit:g} % are allowed.",
        )
    return SourceFacts(
        icc_sha256=slide.icc_sha256,
        unread=tuple(sorted(unread.found)),
        unread_percent=percent,
        cross_check=check,
    )


def source_files(path: Path) -> list[dict[str, Any]]:
    """Name, SHA-256 and size of every file that a slide is made of."""
    files = slide_files(path)
    return [{"name": p.name, "sha256": file_sha256(p), "bytes": p.stat().st_size} for p in files]


def source_sha256(files: list[dict[str, Any]]) -> str:
    """One digest for a slide.

    Parameters
    ----------
    files : list of dict
        From `source_files`.

    Returns
    -------
    str
        The file's own SHA-256; for a slide of several files, that of the lines ``digest  name`` that
        sha256sum prints for them, sorted by name.
    """
    if len(files) == 1:
        return str(files[0]["sha256"])
    lines = sorted((file["name"], f"{file['sha256']}  {file['name']}\n") for file in files)
    return hashlib.sha256("".join(line for _, line in lines).encode("utf-8", "surrogateescape")).hexdigest()


def refuse_other_bytes(job: SlideJob, files: list[dict[str, Any]]) -> None:
    """Refuse a slide whose bytes are not those that the slide table expects.

    Raises
    ------
    SlideRefusedError
        ``DIGEST_DIFFERS``.
    """
    found = source_sha256(files)
    if job.expected_sha256 and found != job.expected_sha256:
        raise SlideRefusedError(
            "DIGEST_DIFFERS",
            f"{job.path.name}: its SHA-256 is {found}, the slide table expects {job.expected_sha256}. Copy "
            "the slide again from its source, or correct the sha256 column.",
        )
