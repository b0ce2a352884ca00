"""F25: neither memory nor open files grow with the number of slides that went through one process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from histoquant.phantoms.writer import write_slide

# The log hears of every slide; what the process holds is looked at then.
_PROGRAM = """
import json, os, sys
from pathlib import Path
import histoquant.run.runner as runner
from histoquant.run.options import RunOptions
held = []
class Log(runner.RunLog):
    def write(self, event, **fields):
        super().write(event, **fields)
        if event == "slide_committed":
            pages = int(open("/proc/self/statm").read().split()[1])
            held.append((len(os.listdir("/proc/self/fd")), pages * os.sysconf("SC_PAGE_SIZE") / 1e6))
        if len(held) == int(sys.argv[3]):  # tables and report of all slides are another matter
            print(json.dumps(held), flush=True)
            os._exit(0)
runner.RunLog = Log
runner.run_slides(RunOptions((Path(sys.argv[1]),), Path(sys.argv[2]), workers=0))
"""
WARM = 0.2
"""Share of the slides after which caches are filled."""


@pytest.mark.parametrize("count", [12, pytest.param(1000, marks=pytest.mark.full)])
def test_nothing_grows_with_the_number_of_slides(count: int, field: np.ndarray, tmp_path: Path):
    folder = tmp_path / "in"
    folder.mkdir()
    first = folder / "P0000_T1_V1_CD68.tif"
    write_slide(first, np.ascontiguousarray(field[:256, :256]), 0.5)
    for number in range(1, count):
        shutil.copy(first, folder / f"P{number:04d}_T1_V1_CD68.tif")
    command = [sys.executable, "-c", _PROGRAM, str(folder), str(tmp_path / "out"), str(count)]
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    held = json.loads(done.stdout.splitlines()[-1])
    files, megabytes = (np.array(values) for values in zip(*held, strict=True))
    warm = slice(int(count * WARM), None)
    slope_kb = 1000 * np.polyfit(np.arange(count)[warm], megabytes[warm], 1)[0]
    rise_mb = megabytes[-1] - megabytes[warm][0]
    print(
        f"{count} slides: {files[warm].min()} to {files[warm].max()} open files, {megabytes[-1]:.0f} MB, "
        f"{rise_mb:+.1f} MB and {slope_kb:+.1f} kB per slide since slide {int(count * WARM)}"
    )
    assert files[warm].min() == files[warm].max()
    assert rise_mb < 50
