"""Tasks run once, errors come back with their task, and nothing listens beyond loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import distributed
import psutil
import pytest

from histoquant.errors import StoreError, UsageError
from histoquant.tiling.addresses import check_scheduler_address
from histoquant.tiling.executors import DaskExecutor, open_executor
from histoquant.tiling.limits import WorkerDiedError


def _double(value: int) -> int:
    if value == 3:
        raise ValueError("three")
    return 2 * value


@pytest.mark.parametrize("workers", [0, 2])
def test_results_and_errors_come_back_by_name(workers: int):
    with open_executor(workers, None) as executor:
        for value in range(6):
            executor.submit(f"task {value}", _double, value)
        done = {finished.name: finished for finished in (executor.next_done() for _ in range(6))}
        if workers:
            listeners = _listening_addresses()
            assert listeners
            assert all(address in {"127.0.0.1", "::1"} for address in listeners)
            assert executor.window == workers
    assert {name: one.result for name, one in done.items() if one.error is None} == {
        f"task {value}": 2 * value for value in (0, 1, 2, 4, 5)
    }
    assert isinstance(done["task 3"].error, ValueError)


class _DoneMeanwhile:
    """A task that is done after one has looked and before one listens: nobody tells again."""

    def __init__(self) -> None:
        self.thread_condition = threading.Condition()
        self._looks = iter([False, True, True])

    def has_ready(self) -> bool:
        return next(self._looks)

    def __next__(self) -> str:
        return "done"


def test_a_task_that_is_done_before_one_listens_is_not_waited_for():
    executor = DaskExecutor(1)
    executor._completed = _DoneMeanwhile()
    started_s = time.monotonic()
    assert executor._next_future() == "done"
    assert time.monotonic() - started_s < 0.5


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_a_scheduler_that_dies_is_told_as_such(tmp_path: Path):
    where = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    loopback = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(where)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", "0", *loopback], **quiet)
    worker = subprocess.Popen([*dask, "worker", "--no-nanny", "--nthreads", "1", *loopback], **quiet)
    try:
        for _ in range(300):
            if where.exists():
                break
            time.sleep(0.1)
        address = json.loads(where.read_text())["address"]
        with open_executor(0, address) as executor:
            executor.submit("first", _double, 1)
            assert executor.next_done().result == 2
            executor.submit("second", _sleep, 60.0)
            scheduler.kill()
            done = executor.next_done()
        assert isinstance(done.error, StoreError)
        assert "kept on disk" in str(done.error)
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


def test_tls_without_certificates_is_told_at_once(tmp_path: Path):
    assert distributed.__version__  # its defaults must be there before any are set
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"no certificates.*DASK_DISTRIBUTED__COMM__TLS__CA_FILE"):
        open_executor(0, "tls://127.0.0.1:9").__enter__()
    (tmp_path / "cert.pem").write_text("none")
    keys = ("ca-file", "client.cert", "client.key")
    spoilt = {f"distributed.comm.tls.{key}": str(tmp_path / "cert.pem") for key in keys}
    with dask.config.set(spoilt), pytest.raises(UsageError, match="cannot be read"):
        open_executor(0, "tls://127.0.0.1:9").__enter__()
    assert time.monotonic() - started < 20


def test_workers_that_join_later_are_given_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("histoquant.tiling.executors._COUNT_EVERY_S", 0.0)
    with open_executor(1, None) as executor:
        assert executor.window == 1
        executor._cluster.scale(2)
        executor._client.wait_for_workers(2, timeout=120)
        assert executor.window == 2


def _die() -> None:
    os._exit(1)


def test_a_worker_that_is_slow_to_come_back_is_waited_for():
    """Dask gives it up after 15 s, here sooner than any process starts, and then waits for ever."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "0.2s"}),
        open_executor(1, None) as executor,
    ):
        executor.submit("first", _die)
        assert isinstance(executor.next_done().error, WorkerDiedError)
        executor.submit("second", _double, 1)
        assert executor.next_done().result == 2


def test_workers_that_cannot_be_started_end_the_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("histoquant.tiling.executors._NO_WORKER_S", 0.5)
    with open_executor(1, None) as executor:
        executor._cluster.scale(0)
        until = time.monotonic() + 60
        while executor._cluster.scheduler.workers and time.monotonic() < until:
            time.sleep(0.1)
        executor.submit("first", _sleep, 60.0)
        with pytest.raises(StoreError, match=r"No worker process.*kept on disk"):
            executor.next_done()


def _listening_addresses() -> set[str]:
    family = [psutil.Process(), *psutil.Process(os.getpid()).children(recursive=True)]
    return {
        connection.laddr.ip
        for process in family
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.mark.parametrize("address", ["tls://cluster.example:8786", "tcp://127.0.0.1:8786", "tcp://[::1]:9"])
def test_safe_addresses_pass(address: str):
    check_scheduler_address(address)


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.4:8786", "tcp://127.example.org:80", "cluster:8786", "tls://host"]
)
def test_open_addresses_are_refused_with_the_way_out(address: str):
    with pytest.raises(UsageError, match="tls://"):
        check_scheduler_address(address)
