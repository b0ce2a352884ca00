"""Worker processes on this machine: a Dask cluster on loopback that nothing outside it can reach."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any, Final

_MB: Final = 1_000_000
# A cluster of our own shows nobody its health: samples of every stack each 10 ms, of the machine twice a
# second, and replicas of results of a few hundred bytes took a twentieth of a core.
_UNWATCHED: Final = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.memory.monitor-interval": "500ms",  # the kernel refuses what is asked for at once
    "distributed.scheduler.active-memory-manager.start": False,
}


@contextlib.contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C: a terminal sends it to all, and only the run shall answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def loopback_cluster(workers: int, scratch: str, memory_mb: int = 0) -> Any:
    """A scheduler and worker processes on this machine that nothing outside it can reach.

    Parameters
    ----------
    workers : int
        Processes of one thread each.
    scratch : str
        Folder for Dask's own files.
    memory_mb : int
        Resident memory at which a process is stopped; 0 for no limit.

    Returns
    -------
    distributed.LocalCluster
        To be closed by the caller.
    """
    import dask
    from distributed import LocalCluster

    # distributed answers on all interfaces unless each address is named
    # a task whose worker died is tried again, in smaller parts, by who submitted it: not blindly here
    settings: dict[str, Any] = {
        "distributed.worker.daemon": True,
        "distributed.scheduler.allowed-failures": 0,
        # Dask holds no data of ours that it could spill, and a paused worker would wait for ever
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": 1.0,
        **_UNWATCHED,
    }
    settings["temporary-directory"] = scratch  # of the scheduler too
    # glibc gives a task's thread a heap in pieces of 64 MB, of which a plane of 34 MB wastes half
    environment = dask.config.get("distributed.nanny.pre-spawn-environ")
    settings["distributed.nanny.pre-spawn-environ"] = {**environment, "MALLOC_ARENA_MAX": 1}
    with dask.config.set(settings):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # not a share of the machine's memory: that stops healthy workers on machines of many cores
            memory_limit=memory_mb * _MB,
            local_directory=scratch,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )
