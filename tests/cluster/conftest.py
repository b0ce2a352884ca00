"""A Dask cluster as a user would start it: one scheduler, workers at several addresses, TLS between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dask
import distributed
import pytest

from histoquant.phantoms import render_field
from histoquant.phantoms.writer import write_slide


@pytest.fixture(scope="session")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides of one biopsy."""
    folder = tmp_path_factory.mktemp("slides")
    for marker in ("CD68", "CD31"):
        rgb, truth = render_field(marker, 320.0, seed=3)
        write_slide(folder / f"P01_T1_V1_{marker}.tif", rgb, float(truth.summary["mpp"]))
    return folder


@dataclass
class Cluster:
    """Processes of one cluster and the address of its scheduler."""

    folder: Path
    environment: dict[str, str]
    loopback: list[str] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """One ``dask`` process."""
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard", *self.loopback]
        process = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def scheduler(self) -> str:
        """Start the scheduler and wait for its address."""
        where = self.folder / "scheduler.json"
        self.start("scheduler", "--host", "tls://127.0.0.1", "--port", "0", "--scheduler-file", str(where))
        for _ in range(300):
            if where.exists() and where.stat().st_size:
                break
            time.sleep(0.1)
        return str(json.loads(where.read_text())["address"])

    def worker(self, scheduler: str, host: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread at an address of its own."""
        return self.start(
            "worker", scheduler, "--nthreads", "1", "--no-nanny", "--host", f"tls://{host}",
            "--local-directory", str(self.folder),
        )  # fmt: skip


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that takes TLS only, and this process set up to talk to it."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make certificates (Debian package openssl)")
    folder = tmp_path / "cluster"
    folder.mkdir(mode=0o700)
    _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=histoquant",
             "-keyout", "key.pem", "-out", "cert.pem")  # fmt: skip
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
        for process in running.processes:
            process.kill()
            process.wait()
