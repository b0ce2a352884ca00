"""A real headless Chromium, where there is one: screenshots, printing and questions to the page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ALWAYS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--force-device-scale-factor=1", "--disable-dev-shm-usage"),
)
DARK = "--blink-settings=preferredColorScheme=0"


def browser() -> str:
    """The program; skips the test with the reason where there is none."""
    for name in _NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip("no Chromium here; Debian and Ubuntu have it as package chromium")


def run_browser(profile: Path, *arguments: str) -> str:
    """Run it once over a throw-away profile and return what it prints."""
    command = [browser(), *_ALWAYS, f"--user-data-dir={profile}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
