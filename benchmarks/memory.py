"""Peak memory of one worker on a large slide: the whole pipeline in one process, its kernels compiled before.

python benchmarks/memory.py [--side 16384]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide

_COMPILED_PX = 2048


def build(path: Path, side_px: int, marker: str) -> None:
    """Write a slide of ``side_px`` squared by repeating a phantom field, mirrored so that no seam shows."""
    field, truth = render_field(marker, 1024.0, seed=5, mpp=0.5)
    pair = np.concatenate([field, field[:, ::-1]], axis=1)
    block = np.concatenate([pair, pair[::-1]], axis=0)
    times = -(-side_px // block.shape[0])
    write_slide(path, np.tile(block, (times, times, 1))[:side_px, :side_px], float(truth.summary["mpp"]))


def _run(slide: Path, out: Path) -> subprocess.Popen[bytes]:
    code = "from histoquant.cli import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, "run", str(slide), "-o", str(out), "--workers", "0"])


def main() -> None:
    """Print peak resident memory and wall time per marker."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=16384, help="slide edge in px at 0.5 um/px")
    side_px = parser.parse_args().side
    print("| slide | peak memory, MiB | seconds |\n|---|---|---|")
    for marker in ("CD68", "CD20", "CD31"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"P01_T1_V1_{marker}.tif"
            # a process of its own, so that drawing the slide does not count
            draw = [sys.executable, __file__, "--draw", str(path)]
            # the process that compiles for a run is a child of it, and would be counted
            subprocess.run([*draw, str(_COMPILED_PX), marker], check=True)
            if _run(path, Path(folder, "compiled")).wait():
                sys.exit("the run that compiles failed")
            subprocess.run([*draw, str(side_px), marker], check=True)
            started = time.monotonic()
            process = _run(path, Path(folder, "out"))
            peak_kb = _peak_kb(process)
            seconds = time.monotonic() - started
        name = f"{side_px} x {side_px}, {marker}"
        print(f"| {name} | {peak_kb / 1024:.0f} | {seconds:.0f} |", flush=True)
        if process.returncode:
            sys.exit(f"the run failed with status {process.returncode}")


def _peak_kb(process: subprocess.Popen[bytes]) -> int:
    """Peak resident set of one child as the kernel accounts it."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert isinstance(usage, resource.struct_rusage)
    return usage.ru_maxrss


if __name__ == "__main__":
    if sys.argv[1:2] == ["--draw"]:
        build(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        main()
