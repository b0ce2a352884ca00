"""One slide's order: everything a worker needs to know, small enough to send."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from histoquant._version import __version__
from histoquant.markers.definition import MarkerDefinition
from histoquant.run.build import sources_digest
from histoquant.run.parameters import RunParameters as RunParameters
from histoquant.run.segmenter import SegmenterChoice
from histoquant.slides import slide_files
from histoquant.stains.settings import StainSettings
from histoquant.store.atomic import json_bytes


class SlideJob(BaseModel):
    """One slide to quantify into one output folder.

    ``key`` names the plan: equal keys mean equal results, so finished work under the same key is reused.
    ``build`` says which build started the run; a worker of another refuses.
    """

    model_config = ConfigDict(frozen=True)

    slide_id: str
    path: Path
    out: Path
    marker: MarkerDefinition
    mpp: float | None = None
    study_mpp: float | None = None
    parameters: RunParameters = RunParameters()
    size_bytes: int = 0
    modified_ns: int = 0
    locked: StainSettings | None = None
    annotations: Path | None = None
    annotations_sha256: str = ""
    expected_sha256: str = ""
    build: str = ""
    segmenter: SegmenterChoice | None = None

    @property
    def key(self) -> str:
        """SHA-256 over version and sources, slide file and every parameter that can change a result."""
        identity = {
            "version": [__version__, sources_digest()],
            "slide_id": self.slide_id,
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "modified_ns": self.modified_ns,
            "mpp": [self.mpp, self.study_mpp],
            "marker": self.marker.model_dump(mode="json"),
            "working_mpp_um": self.parameters.working_mpp_um,
        }
        if self.annotations is not None:
            identity["annotations"] = self.annotations_sha256
        identity |= {
            name: value
            for name, value in (
                ("unread_limit_percent", self.parameters.unread_limit_percent),
                ("cross_check_tiles", self.parameters.cross_check_tiles),
                ("expected_sha256", self.expected_sha256),
            )
            if value
        }
        if self.locked is not None:  # another calibration is another plan, never a mixture of both
            identity["locked"] = self.locked.model_dump(mode="json")
        if self.segmenter is not None:
            identity["segmenter"] = self.segmenter.identity
            if not self.segmenter.exact:  # another tiling would be other tables
                identity["tile_size_px"] = self.parameters.tile_size_px
        return hashlib.sha256(json_bytes(identity)).hexdigest()

    @property
    def work_key(self) -> str:
        """Name of the unfinished work: batches of another tiling cannot be reused."""
        tiling = f"{self.key}:{self.parameters.tile_size_px}:{self.parameters.batch_tiles}"
        return hashlib.sha256(tiling.encode()).hexdigest()


def file_state(path: Path) -> tuple[int, int]:
    """Total size in bytes and newest modification time in ns of all files a slide is made of."""
    stats = [file.stat() for file in slide_files(path)]
    return sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)
