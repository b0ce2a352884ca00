"""Which code computes: a run takes results of one build only, wherever its workers are."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import socket
from collections.abc import Sequence
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
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


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
        # kernels, and marks that say which were compiled ahead
        found = (path for name in ("*.nbi", "compiled-*") for path in root.rglob(f"__pycache__/{name}"))
        compiled = {path: path.stat().st_mtime_ns for path in found}
        oldest_ns = min(compiled.values(), default=0)
        edited = {path: path.stat().st_mtime_ns for path in root.rglob("*.py")} if compiled else {}
        newer = [at for path, at in edited.items() if at > oldest_ns and b"from numba" in path.read_bytes()]
        for path, at in compiled.items():
            if at < max(newer, default=0):
                path.unlink(missing_ok=True)


# now, before anything can be edited under a process that goes on importing, and before a kernel is called
build_digest()
forget_stale_kernels(Path(histoquant.__file__).parent)
