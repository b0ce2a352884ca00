"""What Dask takes while workers compute: processor time of every thread that runs no task of ours.

Counted, because the difference of two runs of a minute moves by more than what is looked for. What tasks
themselves take longer in a worker than without one is not in it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from performance_workers import folder_of, surroundings

# From the end of the first slide to that of the last: all is imported by then, and no report is written yet.
# Threads are asked in their own process, whose clocks count what the kernel's tables round.
_COUNT = """
import contextlib, json, sys, time
from histoquant.cli import main
from histoquant.run.schedule import Schedule
from histoquant.run.tasks import CommitReceipt

def threads():
    import threading, time
    seconds = {}
    for each in threading.enumerate():
        kind = "tasks" if "Dask-Default-Threads" in each.name else "others"
        seconds[kind] = seconds.get(kind, 0.0) + time.clock_gettime(time.pthread_getcpuclockid(each.ident))
    return seconds

def told(schedule):
    workers = schedule._executor._client.run(threads).values()
    found = {kind: sum(each.get(kind, 0.0) for each in workers) for kind in ("tasks", "others")}
    return found | {"here": time.process_time()}

slides, out, workers, count = sys.argv[1:]
ended, states, settle = [], [], Schedule._settle

def counted(schedule, done):
    settle(schedule, done)
    receipts = done.result if isinstance(done.result, list) else [done.result]
    ended.extend(each for each in receipts if isinstance(each, CommitReceipt))
    if receipts and isinstance(receipts[-1], CommitReceipt) and len(ended) in (int(workers), int(count)):
        states.append(told(schedule))

Schedule._settle = counted
sys.argv = ["histoquant", "run", slides, "-o", out, "--workers", workers]
if __name__ == "__main__":
    with contextlib.suppress(SystemExit):
        main()
    first, last = states[0], states[-1]
    print(json.dumps({kind: last[kind] - first[kind] for kind in first}))
"""


@dataclass(frozen=True)
class Shares:
    """Processor seconds of some slides: of the threads that compute, of the workers' others, of the caller.

    The caller's are those of scheduler, client and nannies, and of what the run writes meanwhile.
    """

    slides: int
    tasks_s: float
    others_s: float
    here_s: float

    @property
    def percent(self) -> float:
        """What is no task, of what is."""
        return 100 * (self.others_s + self.here_s) / self.tasks_s


def dask_shares(slide: Path, folder: Path, workers: int = 1, slides: int = 6) -> Shares:
    """Count while ``workers`` quantify ``slides`` copies of a slide, the first of each worker apart."""
    source, out = folder_of(folder / "counted", slide, slides), folder / "counted-out"
    shutil.rmtree(out, ignore_errors=True)
    words = [sys.executable, "-c", _COUNT, str(source), str(out), str(workers), str(slides)]
    done = subprocess.run(words, env=surroundings(), capture_output=True, text=True, check=False)
    shutil.rmtree(out, ignore_errors=True)
    if done.returncode:
        sys.exit(f"counting threads failed: {done.stderr[-500:]}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return Shares(slides - workers, told["tasks"], told["others"], told["here"])
