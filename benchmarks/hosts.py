"""Scheduler and workers on hosts of their own, as far as one machine can: network namespaces, TLS, faults.

python benchmarks/hosts.py [-o FILE]        (Linux, as root; needs ip, unshare, nsenter and openssl)

Each worker has its own network namespace, with one address and no route but to the scheduler. Shown are:
plain tcp refused, the bytes of one process, what listens where, workers killed as work lands, a scheduler
killed and the run taken up again. Nothing outside the namespaces is touched.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from exactness import digests, draw_phantoms
from tls_cluster import NO_PAGES, Cluster, listening_at, tls_cluster

from histoquant.errors import StoreError, UsageError
from histoquant.run.options import RunOptions
from histoquant.run.runner import run_slides

_SCHEDULER: Final = "10.77.0.1"
_LOOK_EVERY_S: Final = 0.5


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


class Host:
    """A network namespace, held by a process that sleeps, joined to this one by one cable."""

    def __init__(self, number: int) -> None:
        self._holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        self.address, near = f"10.77.{number}.2", f"10.77.{number}.1"
        own = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{self._holder.pid}/ns/net").readlink() == own:
            time.sleep(0.05)
        pid, cable, end = str(self._holder.pid), f"hq{number}", f"end{number}"
        _run("ip", "link", "add", cable, "type", "veth", "peer", "name", end, "netns", pid)
        _run("ip", "addr", "add", f"{near}/30", "dev", cable)
        _run("ip", "link", "set", cable, "up")
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "addr", "add", f"{self.address}/30", "dev", end],
            ["ip", "link", "set", end, "up"],
            ["ip", "route", "add", "default", "via", near],
        ):
            _run(*self.inside(), *command)

    def inside(self) -> list[str]:
        """What goes before a command that is to run on this host."""
        return ["nsenter", "-t", str(self._holder.pid), "-n"]

    def stop(self) -> None:
        """Take the host away."""
        self._holder.kill()
        self._holder.wait()


def _start_worker(cluster: Cluster, host: Host, scheduler: str) -> subprocess.Popen[bytes]:
    command = [
        *host.inside(), sys.executable, "-m", "dask", "worker", scheduler, "--nthreads", "1", "--no-nanny",
        "--host", f"tls://{host.address}", "--local-directory", str(cluster.folder), *NO_PAGES,
    ]  # fmt: skip
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=cluster.environment, stdout=quiet, stderr=quiet)
    cluster.processes.append(process)
    return process


def _start_scheduler(cluster: Cluster) -> tuple[str, subprocess.Popen[bytes]]:
    address = cluster.scheduler(_SCHEDULER)
    return address, cluster.processes[-1]


class Killer:
    """Kills the older of two workers each time that work has landed, and starts another on its host."""

    def __init__(self, cluster: Cluster, hosts: list[Host], scheduler: str, out: Path) -> None:
        self.killed = 0
        self._over = threading.Event()
        self._alive = [(host, _start_worker(cluster, host, scheduler)) for host in hosts]
        self._cluster, self._scheduler, self._out = cluster, scheduler, out
        self._thread = threading.Thread(target=self._kill, daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _kill(self) -> None:
        seen: set[Path] = set()
        while not self._over.wait(_LOOK_EVERY_S):
            new = {*self._out.rglob("*.hqb"), *self._out.rglob("plan.json")} - seen
            if not new:
                continue
            seen |= new
            host, process = self._alive.pop(0)
            process.kill()
            process.wait()
            self.killed += 1
            self._alive.append((host, _start_worker(self._cluster, host, self._scheduler)))


def _lose_scheduler(options: RunOptions, scheduler: subprocess.Popen[bytes]) -> str:
    """Kill the scheduler once the first plan or batch is on disk; returns what the run says."""

    def kill() -> None:
        while not any(options.out.rglob("batch-*.hqb")):
            time.sleep(0.05)
        scheduler.kill()

    threading.Thread(target=kill, daemon=True).start()
    try:
        return f"ended with status {run_slides(options)}"
    except StoreError as error:
        return str(error)


def measure(folder: Path) -> dict[str, Any]:
    """All of it, on slides of three markers."""
    slides = folder / "slides"
    slides.mkdir()
    draw_phantoms(slides, 240.0)
    run_slides(RunOptions((slides,), folder / "alone", workers=0))
    alone = digests(folder / "alone")
    result: dict[str, Any] = {"files": len(alone)}
    try:
        run_slides(RunOptions((slides,), folder / "plain", scheduler=f"tcp://{_SCHEDULER}:8786"))
    except UsageError as error:
        result["plain tcp"] = str(error)
    hosts = [Host(number) for number in (1, 2)]
    try:
        with tls_cluster(folder / "cluster") as cluster:
            address, process = _start_scheduler(cluster)
            for host in hosts:
                _start_worker(cluster, host, address)
            options = RunOptions((slides,), folder / "hosts", scheduler=address, tile_size_px=300)
            run_slides(options)
            result["two hosts, same bytes"] = digests(options.out) == alone
            result["listeners"] = sorted(listening_at([os.getpid(), *(one.pid for one in cluster.processes)]))
            for worker in cluster.processes[1:]:
                worker.kill()
            options = RunOptions((slides,), folder / "killed", scheduler=address, tile_size_px=256)
            with Killer(cluster, hosts, address, options.out) as killer:
                result["killed, status"] = run_slides(options)
            result["workers killed"] = killer.killed
            result["killed, same bytes"] = digests(options.out) == alone
            options = RunOptions((slides,), folder / "lost", scheduler=address, tile_size_px=256)
            result["scheduler lost"] = _lose_scheduler(options, process)
            address, _ = _start_scheduler(cluster)
            for host in hosts:
                _start_worker(cluster, host, address)
            options = RunOptions((slides,), folder / "lost", scheduler=address, tile_size_px=256)
            result["resumed, status"] = run_slides(options)
            result["resumed, same bytes"] = digests(options.out) == alone
    finally:
        for host in hosts:
            host.stop()
    return result


def main() -> None:
    """Print what was seen; write it as JSON."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-o", type=Path, default=Path("hosts.json"))
    arguments = parser.parse_args()
    if not arguments.inside:
        command = ["unshare", "-n", sys.executable, __file__, "--inside", "-o", str(arguments.o)]
        os.execvp(command[0], command)  # noqa: S606 - this program again, in a network of its own
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "addr", "add", f"{_SCHEDULER}/32", "dev", "lo")
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder))
    arguments.o.write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
