"""Where everything lies in an output folder, and how it is checked."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from histoquant.errors import StoreError
from histoquant.store.atomic import file_sha256, json_bytes, make_folder, write_bytes, writing


class OutputFolder:
    """The paths of one output folder.

    Parameters
    ----------
    root : Path
        The folder named with ``-o``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def slide(self, slide_id: str) -> Path:
        """Folder of one slide's results."""
        return self.root / "slides" / slide_id

    def work(self, slide_id: str, key: str) -> Path:
        """Folder of one slide's unfinished batches under one plan; removed when the slide is committed."""
        return self.root / ".work" / slide_id / key[:16]

    def batch(self, slide_id: str, key: str, number: int) -> Path:
        """One batch file."""
        return self.work(slide_id, key) / f"batch-{number:06d}.hqb"

    def manifest(self, slide_id: str) -> dict[str, Any] | None:
        """Manifest of a committed slide, or None when there is none that can be read."""
        try:
            loaded = json.loads((self.slide(slide_id) / "manifest.json").read_text())
        except (OSError, ValueError):
            return None
        return loaded if isinstance(loaded, dict) else None

    def write_manifest(
        self, slide_id: str, manifest: dict[str, Any], digests: Mapping[str, str] | None = None
    ) -> None:
        """Write a slide's manifest with the checksums of its files: the last step of a commit.

        Parameters
        ----------
        slide_id : str
        manifest : dict
        digests : mapping of str to str, optional
            By name, SHA-256 of files that were written just now; the others are read.
        """
        body = {**manifest, "files": self._checksums(slide_id, digests or {})}
        write_bytes(self.slide(slide_id) / "manifest.json", json_bytes(body))

    def clear_slide(self, slide_id: str) -> Path:
        """Empty a slide's folder of what an older plan left, the manifest first; returns the folder."""
        folder = self.slide(slide_id)
        make_folder(folder)
        with writing(folder):
            (folder / "manifest.json").unlink(missing_ok=True)
            for path in folder.iterdir():
                path.unlink()
        return folder

    def _checksums(self, slide_id: str, known: Mapping[str, str]) -> dict[str, str]:
        folder = self.slide(slide_id)
        names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("tmp."))
        return {
            name: known.get(name) or file_sha256(folder / name) for name in names if name != "manifest.json"
        }

    def changed_files(self, slide_id: str) -> list[str]:
        """Names of a committed slide's files that are missing or differ from its manifest."""
        manifest = self.manifest(slide_id)
        if manifest is None:
            return ["manifest.json"]
        folder = self.slide(slide_id)
        return [
            name
            for name, digest in sorted(manifest.get("files", {}).items())
            if not (folder / name).is_file() or file_sha256(folder / name) != digest
        ]

    def whole_slide(self, slide_id: str) -> Path:
        """Folder of a committed slide whose every file is as it was written.

        Raises
        ------
        StoreError
            If the slide is not finished here, or a file of it is gone or altered.
        """
        if changed := self.changed_files(slide_id):
            raise StoreError(
                f"{slide_id}: {', '.join(changed)} missing or changed in {self.root}. Run the slides into it "
                "again; what is whole is kept."
            )
        return self.slide(slide_id)

    def is_committed(self, slide_id: str, key: str) -> bool:
        """Whether the slide is done under this plan key and every file still proves itself."""
        manifest = self.manifest(slide_id)
        return manifest is not None and manifest.get("key") == key and not self.changed_files(slide_id)

    def sweep(self) -> None:
        """Remove the unfinished files of runs that were killed; only while no other run is at work."""
        for pattern in ("tmp.*", "slides/*/tmp.*"):
            for path in self.root.glob(pattern):
                with writing(path):
                    path.unlink(missing_ok=True)

    def drop_pixels(self, slide_id: str) -> None:
        """Remove what was kept of a failed slide's pixels; its batches are for the next run to go on from."""
        for path in (self.root / ".work" / slide_id).glob("*/pixels.*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def drop_work(self, slide_id: str) -> None:
        """Remove a slide's batch files, of this plan and of older ones."""
        shutil.rmtree(self.root / ".work" / slide_id, ignore_errors=True)
