"""Which code computes: a run takes results of one build only, wherever its workers are."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import socket
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import histoquant
from histoquant.errors import StoreError
from histoquant.store.atomic import json_bytes

LIBRARIES: Final = (
    *("numpy", "scipy", "opencv-python-headless", "numba", "imagecodecs", "tifffile", "openslide-bin"),
    "pyarrow",
)
"""What could change a number, or a byte of a table, between two machines."""


def library_version(name: str) -> str | None:
    """Installed version, or None where another distribution provides the library."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def library_versions(names: Sequence[str] = LIBRARIES) -> dict[str, str | None]:
    """Installed versions, by distribution."""
    return {name: library_version(name) for name in names}


@cache
def sources_digest() -> str:
    """SHA-256 over every source file of this package, as it lay there when first asked for."""
    root = Path(histoquant.__file__).parent
    digest = hashlib.sha256()
    paths = (os.path.relpath(file.path, root) for file in _files(root) if file.name.endswith(".py"))
    for name in sorted(path.replace(os.sep, "/") for path in paths):
        digest.update(f"{name}\0".encode())
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _files(root: str | Path) -> Iterator[os.DirEntry[str]]:
    """All files below a folder; every process waits for them, and globbing takes three times as long."""
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry


@cache
def build_digest() -> str:
    """SHA-256 over sources, library versions and processor architecture."""
    identity = {
        "sources": sources_digest(),
        "libraries": library_versions(),
        "machine": platform.machine(),
    }
    return hashlib.sha256(json_bytes(identity)).hexdigest()


def refuse_other_build(build: str, name: str) -> None:
    """Refuse to work for a run that another build started.

    Parameters
    ----------
    build : str
        `build_digest` where the run was started; empty to take any.
    name : str
        The slide, for the message.

    Raises
    ------
    StoreError
        Which ends the run: a table must not be a mixture of two builds.
    """
    if build not in ("", build_digest()):
        raise StoreError(
            f"{name}: the worker on {socket.gethostname()} runs another build of histoquant or of its "
            f"libraries ({', '.join(LIBRARIES)}) than the machine that started the run. Install the same "
            "versions on both, restart the workers, then run the same command again to go on."
        )


def forget_stale_kernels(root: Path) -> None:
    """Delete compiled kernels that are older than a source file that holds kernels.

    Numba keeps a kernel by the time of its own file, but it holds the code of other files' kernels too: after
    an edit or a pull one build would compute with another's code. Only what lies beside the sources is
    looked at, as in every checkout.

    Parameters
    ----------
    root : Path
        Folder of the package.
    """
    with contextlib.suppress(OSError):  # another process was faster, or nobody may write here
        compiled, sources = [], []
        for file in _files(root):
            # kernels, and marks that say which were compiled ahead
            kept = file.name.endswith(".nbi") or file.name.startswith("compiled-")
            if kept and Path(file.path).parent.name == "__pycache__":
                compiled.append((file.stat().st_mtime_ns, Path(file.path)))
            elif file.name.endswith(".py"):
                sources.append(file)
        oldest_ns = min(compiled, default=(0, root))[0]
        edited = ((file.stat().st_mtime_ns, Path(file.path)) for file in sources if compiled)
        newer = [at for at, path in edited if at > oldest_ns and b"from numba" in path.read_bytes()]
        for at, path in compiled:
            if at < max(newer, default=0):
                path.unlink(missing_ok=True)


# now, before anything can be edited under a process that goes on importing, and before a kernel is called
build_digest()
forget_stale_kernels(Path(histoquant.__file__).parent)
