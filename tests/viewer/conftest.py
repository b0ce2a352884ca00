"""What the tests in a napari window need; warnings of napari and of what it imports are not ours to mend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

_IGNORED = (
    "ignore::pydantic.warnings.PydanticDeprecatedSince20",
    "ignore::DeprecationWarning",
    "ignore::PendingDeprecationWarning",
    "ignore::FutureWarning:napari",
    "ignore::ResourceWarning",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for warning in _IGNORED:
                item.add_marker(pytest.mark.filterwarnings(warning))


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A screen: the one that is there, or Xvfb."""
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("no display and no Xvfb: apt-get install xvfb libxcb-icccm4 libxcb-keysyms1 libegl1")
    read, write = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(write), "-screen", "0", "1600x1100x24", "-nolisten", "tcp"],
        pass_fds=(write,),
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start here")
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.fixture
def scripted(display: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script of this folder with a napari window."""
    return partial(_scripted, display)


def _scripted(display: str, script: str, *told: str | Path) -> subprocess.CompletedProcess[str]:
    """Qt reads DISPLAY once per process, and a window system that fails takes the process with it."""
    environment = {**os.environ, "DISPLAY": display, "QT_API": "pyside6", "QT_QPA_PLATFORM": "xcb"}
    file = Path(__file__).with_name(f"{script}.py")
    command = [sys.executable, str(file), *map(str, told)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=540)
    if "could not load the Qt platform plugin" in done.stderr.lower() or "libEGL" in done.stderr:
        pytest.skip(f"Qt lacks a system library: {done.stderr[-300:]}")
    return done
