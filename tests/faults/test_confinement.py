"""P5, S18: nothing is written outside OUT, inputs stay as they are, and no right is given away."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

# Every call of Python that can change a disk is an audit event; a hook cannot be taken off again, so the run
# has a process of its own. Compiled code goes beside the package, as Python's own does: that is installation.
_PROGRAM = """
import json, os, sys
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
EVENTS = {"os." + name for name in (
    "mkdir rename remove rmdir chmod link symlink truncate utime chown".split())}
seen = set()
def hook(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, (str, bytes)) and flags & CHANGING:
            seen.add(os.path.abspath(os.fsdecode(path)))
    elif event in EVENTS:
        opened = [f"/proc/self/fd/{number}" for number in arguments if isinstance(number, int)]
        folders = [os.readlink(place) for place in opened if os.path.isdir(place)]
        for path in arguments[:2]:
            if isinstance(path, (str, bytes, os.PathLike)):
                place = folders[0] if folders else ""
                seen.add(os.path.abspath(os.path.join(place, os.fsdecode(path))))
sys.addaudithook(hook)
os.umask(0)
from histoquant.cli import main
try:
    main()
except SystemExit as end:
    status = end.code
import resource
print("\\n" + json.dumps([status, resource.getrlimit(resource.RLIMIT_CORE)[0], sorted(seen)]))
"""


def _state(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """Size, mode, time and digest of every file and folder."""
    state = {}
    for path in [folder, *folder.rglob("*")]:
        found = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        state[str(path)] = (found.st_size, found.st_mode, found.st_mtime_ns, digest)
    return state


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.full)])
def test_only_the_output_folder_changes(workers: int, copy: Path, tmp_path: Path):
    (copy / "broken.tif").write_bytes(b"II*\0\x08\0\0\0")
    watched = {name: tmp_path / name for name in ("home", "tmp", "cache", "here")}
    for folder in watched.values():
        folder.mkdir()
    out, before = tmp_path / "out", _state(copy)
    environment = os.environ | {
        "HOME": str(watched["home"]),
        "TMPDIR": str(watched["tmp"]),
        "XDG_CACHE_HOME": str(watched["cache"]),
        "XDG_CONFIG_HOME": str(watched["cache"]),
    }
    command = [sys.executable, "-c", _PROGRAM, "run", str(copy), "-o", str(out), "--workers", str(workers)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=watched["here"]
    )
    assert "Traceback" not in done.stderr, done.stderr
    status, core_bytes, changed = json.loads(done.stdout.splitlines()[-1])
    assert (status, core_bytes) == (3, 0)
    # matplotlib keeps its list of fonts in the user's cache; Dask and what compiles kernels ahead
    # have their scratch in TMPDIR, of which nothing is left
    allowed = [str(out), "/dev/", str(watched["cache"] / "matplotlib"), str(watched["tmp"])]
    outside = [path for path in changed if not path.startswith(tuple(allowed)) and "__pycache__" not in path]
    assert outside == []
    assert len([path for path in changed if path.startswith(str(out))]) > 20
    assert _state(copy) == before
    left = {path.name for folder in watched.values() for path in folder.iterdir()}
    assert left <= {"matplotlib"}
    # with a umask of 0, which asks for everything to be open to everybody
    for path in [out / "slides", *out.rglob("*")]:
        assert not path.stat().st_mode & stat.S_IWOTH, path
