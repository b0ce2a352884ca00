"""Tasks run once, errors come back with their task, and nothing listens beyond loopback."""

from __future__ import annotations

import os

import psutil
import pytest

from histoquant.errors import UsageError
from histoquant.tiling.executors import check_scheduler_address, open_executor


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
