"""A Dask cluster as a user would start it: one scheduler, workers at several addresses, TLS between them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dask
import distributed
import psutil

_START_S = 60.0
NO_PAGES = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
"""Without the second a web server of Dask, empty but for its health, listens on every interface."""


def listening_at(pids: Iterable[int]) -> set[str]:
    """Addresses that processes and their children listen at.

    Parameters
    ----------
    pids : iterable of int
        Those that have ended listen nowhere.
    """
    found: set[str] = set()
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            held = [one for process in family for one in process.net_connections("inet")]
            found.update(one.laddr.ip for one in held if one.status == psutil.CONN_LISTEN)
    return found


@dataclass
class Cluster:
    """Processes of one cluster and the address of its scheduler."""

    folder: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One ``dask`` process."""
        command = [sys.executable, "-m", "dask", *arguments, *NO_PAGES]
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def scheduler(self, host: str = "127.0.0.1") -> str:
        """Start the scheduler at an address of this machine and wait until it listens there."""
        where = self.folder / "scheduler.json"
        where.unlink(missing_ok=True)
        self.start("scheduler", "--host", f"tls://{host}", "--port", "0", "--scheduler-file", str(where))
        until = time.monotonic() + _START_S
        while not (where.exists() and where.stat().st_size):
            if time.monotonic() > until:
                raise TimeoutError("the scheduler did not start")
            time.sleep(0.1)
        return str(json.loads(where.read_text())["address"])

    def worker(self, scheduler: str, host: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread at an address of its own."""
        return self.start(
            "worker", scheduler, "--nthreads", "1", "--no-nanny", "--host", f"tls://{host}",
            "--local-directory", str(self.folder),
        )  # fmt: skip

    def stop(self) -> None:
        """End every process of it."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes.clear()


@contextlib.contextmanager
def tls_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster that takes TLS only, and this process set up to talk to it.

    Parameters
    ----------
    folder : Path
        Made here; key and certificate lie in it. Needs the ``openssl`` command.
    """
    folder.mkdir(mode=0o700)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=histoquant",
         "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    tls = {"ca-file": str(folder / "cert.pem")}
    for role in ("scheduler", "worker", "client"):
        tls |= {f"{role}.cert": str(folder / "cert.pem"), f"{role}.key": str(folder / "key.pem")}
    settings = {f"distributed.comm.tls.{key}": value for key, value in tls.items()}
    settings["distributed.comm.require-encryption"] = True
    environment = dict(os.environ)
    for key, value in settings.items():
        environment["DASK_" + key.upper().replace(".", "__").replace("-", "_")] = str(value)
    running = Cluster(folder, environment)
    try:
        # its defaults must be there before any are set, or leaving removes them
        assert distributed.__version__
        with dask.config.set(settings):
            yield running
    finally:
        running.stop()
