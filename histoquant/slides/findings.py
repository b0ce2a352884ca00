"""What is learnt about a file, step by step, so that a refusal can still say what was known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from histoquant.slides.names import display_name, slide_name
from histoquant.slides.resolution import Candidate, Resolution, Stated, settle
from histoquant.slides.slide import SlideFacts


@dataclass
class Findings:
    """Facts about a slide as its examination goes on.

    Parameters
    ----------
    path : Path
        File or folder.
    """

    path: Path
    format: str = ""
    reader: str = ""
    size_px: tuple[int, int] | None = None
    levels: int = 0
    compression: str = ""
    stated: list[Candidate] = field(default_factory=list)
    ignored: list[Candidate] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    icc_sha256: str | None = None
    objective_power: float | None = None

    @property
    def name(self) -> str:
        """File name for messages."""
        return display_name(self.path)

    def flag(self, flag: str) -> None:
        """Add a flag once."""
        if flag not in self.flags:
            self.flags.append(flag)

    def note_icc(self, profile: bytes) -> None:
        """Record the digest of a colour profile."""
        if profile:
            self.icc_sha256 = hashlib.sha256(profile).hexdigest()

    def settle(self, *, mpp: float | None, study_mpp: float | None) -> Resolution:
        """The resolution in force; see `resolution.settle`."""
        stated = Stated(tuple(self.stated), tuple(self.ignored), self.objective_power)
        return settle(self.name, stated, mpp=mpp, study_mpp=study_mpp)

    def facts(self, resolution: Resolution) -> SlideFacts:
        """What the finished slide carries."""
        assert self.size_px is not None
        return SlideFacts(
            path=self.path,
            name=slide_name(self.path),
            reader=self.reader,
            format=self.format,
            size_px=self.size_px,
            mpp_xy=resolution.mpp_xy,
            mpp_source=resolution.source,
            flags=(*self.flags, *resolution.flags),
            icc_sha256=self.icc_sha256,
        )
