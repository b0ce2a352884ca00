"""Where tasks run: in this process, on a local cluster, or on the user's own cluster."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

from histoquant.errors import StoreError, UsageError
from histoquant.tiling.addresses import check_scheduler_address, refuse_without_certificates
from histoquant.tiling.limits import Cause, WorkerDiedError, WorkerLimits, within
from histoquant.tiling.local_cluster import deaf_to_interrupts, loopback_cluster

_COUNT_EVERY_S: Final = 5.0
_NO_WORKER_S: Final = 300.0
_TOLD_WITHIN_S: Final = 1.0  # between the end of a worker and the news of why


class Done(NamedTuple):
    """One finished task: its name, either its result or its error, and the process that had it, if known."""

    name: str
    result: Any
    error: BaseException | None
    place: str = ""


class Executor(Protocol):
    """Runs small tasks; holds nothing back once a task is done."""

    @property
    def window(self) -> int:
        """How many tasks may be under way at once."""
        ...

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Start a task; ``name`` is unique within the run."""
        ...

    def next_done(self) -> Done:
        """Wait for any task to end and forget it."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class InProcess:
    """Runs each task in this process when its result is asked for."""

    window = 1

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, Callable[..., Any], tuple[Any, ...]]] = deque()

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Queue a task."""
        self._waiting.append((name, function, arguments))

    def next_done(self) -> Done:
        """Run the oldest task."""
        name, function, arguments = self._waiting.popleft()
        try:
            return Done(name, function(*arguments), None)
        except MemoryError:
            return Done(name, None, WorkerDiedError("MEMORY", WorkerLimits(0, 0)))
        except Exception as error:
            return Done(name, None, error)

    def __enter__(self) -> InProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.clear()


class DaskExecutor:
    """Runs tasks on ``dask.distributed``; each future is released as it lands.

    A held future would be computed again when its worker dies (distributed #8182); results here are
    small receipts, the data lies on disk. Task keys are hashes, so no slide name reaches a dashboard.

    Parameters
    ----------
    workers : int
        Worker processes of a cluster on loopback; ignored with ``scheduler``.
    scheduler : str, optional
        Address of the user's own cluster.
    limits : WorkerLimits
        Of each worker process; the memory of those on the user's cluster is the cluster's to limit.
    """

    def __init__(
        self, workers: int, scheduler: str | None = None, limits: WorkerLimits | None = None
    ) -> None:
        if scheduler is not None:
            check_scheduler_address(scheduler)
        self._workers, self._scheduler = workers, scheduler
        self._limits = limits or WorkerLimits()
        if scheduler is not None:
            self._limits = WorkerLimits(0, self._limits.task_s)
        self._scratch = ""
        self._cluster: Any = None
        self._client: Any = None
        self._completed: Any = None
        self._sent: dict[str, tuple[str, float]] = {}
        self._threads, self._counted_s = 0, -_COUNT_EVERY_S
        self._quiet = contextlib.ExitStack()
        # two runs on one scheduler must not be handed each other's receipts
        self._nonce = secrets.token_hex(8)

    @property
    def window(self) -> int:
        """One task per thread: Dask blames every task that waits on a worker for the worker's death.

        Threads are counted again every few seconds: on a cluster, workers come and go.
        """
        if time.monotonic() - self._counted_s >= _COUNT_EVERY_S:
            try:
                self._threads = sum(int(count) for count in self._client.nthreads().values())
            except (OSError, TimeoutError) as error:
                raise _cluster_gone() from error
            self._counted_s = time.monotonic()
        return max(1, self._threads)

    def __enter__(self) -> DaskExecutor:
        import dask
        from distributed import Client, as_completed
        from distributed.utils import silence_logging_cmgr

        if self._scheduler is not None:
            refuse_without_certificates(self._scheduler)
        # a lost connection is told once, in our words; Dask's own would scroll it away
        self._quiet.enter_context(silence_logging_cmgr(logging.CRITICAL + 1))
        if self._scheduler is None:
            # readable by this user alone, and gone afterwards
            scratch = tempfile.TemporaryDirectory(prefix="histoquant-", ignore_cleanup_errors=True)
            # Dask gives up a worker that is not back within 15 s, and one that died again by then
            kept = dask.config.set({"distributed.deploy.lost-worker-timeout": "1000 weeks"})
            self._quiet.enter_context(kept)
            with deaf_to_interrupts():
                self._scratch = self._quiet.enter_context(scratch)
                self._cluster = loopback_cluster(self._workers, self._scratch, self._limits.memory_mb)
        try:
            self._client = Client(self._cluster or self._scheduler, timeout="30s", set_as_default=False)
        except OSError as error:
            raise UsageError(
                f"--scheduler {self._scheduler}: no scheduler answers there ({error}). Start it, or leave "
                "--scheduler out to use this machine."
            ) from error
        self._completed = as_completed(loop=self._client.loop)
        if self._scheduler is not None and not self._client.nthreads():
            print(f"{self._scheduler}: no worker is there yet; waiting for the first.", file=sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for owned in (self._client, self._cluster):
            if owned is not None:
                owned.close()
        self._quiet.close()

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Send a task to the cluster."""
        key = hashlib.sha256(f"{self._nonce}:{name}".encode()).hexdigest()[:32]
        self._sent[key] = name, time.monotonic()
        self._completed.add(
            self._client.submit(
                _with_place,
                self._limits,
                self._note(key),
                function,
                *arguments,
                key=key,
                pure=False,
                retries=0,
            )
        )

    def next_done(self) -> Done:
        """Wait for any future, take its result, release it."""
        from distributed import CancelledError, KilledWorker

        future = self._next_future()
        name, sent_s = self._sent.pop(future.key)
        try:
            place, result = future.result()
            return Done(name, result, None, place)
        except KilledWorker as killed:
            cause = self._cause(future.key, killed.last_worker.address, time.monotonic() - sent_s)
            return Done(name, None, WorkerDiedError(cause, self._limits))
        except MemoryError:
            return Done(name, None, WorkerDiedError("MEMORY", self._limits))
        except CancelledError:
            # nothing here cancels a task: its scheduler went away and took the task with it
            return Done(name, None, _cluster_gone())
        except Exception as error:
            return Done(name, None, error)
        finally:
            future.release()
            if self._scratch:
                Path(self._note(future.key)).unlink(missing_ok=True)

    def _next_future(self) -> Any:
        """Wait, but on this machine not for ever for processes that cannot be started."""
        since_s = time.monotonic()
        while not self._completed.has_ready():
            now_s = time.monotonic()
            if self._cluster is None or self._cluster.scheduler.workers:
                since_s = now_s
            elif now_s - since_s > _NO_WORKER_S:
                raise StoreError(
                    f"No worker process has come up on this machine for {_NO_WORKER_S:g} s (out of memory, "
                    "or of processes?). What was finished is kept on disk; run the same command again, with "
                    "fewer --workers."
                )
            with self._completed.thread_condition:
                # word that came since would not be heard
                if not self._completed.has_ready():
                    self._completed.thread_condition.wait(timeout=1.0)
        return next(self._completed)

    def _note(self, key: str) -> str:
        """Where a worker on this machine leaves word that a task's time was up."""
        return str(Path(self._scratch, f"{key}.stack")) if self._scratch else os.devnull

    def _cause(self, key: str, worker: str, lasted_s: float) -> Cause:
        """Why a worker is gone: its time was up, its nanny stopped it, or neither is known."""
        if self._scratch:
            note = Path(self._note(key))
            late = note.is_file() and note.stat().st_size > 0
        else:  # may hold time that the task waited for a worker
            late = 0 < self._limits.task_s <= lasted_s
        if late:
            return "TIME"
        until = time.monotonic() + _TOLD_WITHIN_S
        with contextlib.suppress(OSError):  # of a scheduler that is gone: the next task tells
            while time.monotonic() < until:
                stopped = self._client.get_events("worker-restart-memory")
                if any(event["worker"] == worker for _, event in stopped):
                    return "MEMORY"
                time.sleep(_TOLD_WITHIN_S / 5)
        return "CRASH"


def _with_place(
    limits: WorkerLimits, note: str, function: Callable[..., Any], *arguments: Any
) -> tuple[str, Any]:
    """What a worker runs: the task within its limits, and whose result it is."""
    from distributed import get_worker

    return get_worker().address, within(limits, note, function, *arguments)


def _cluster_gone() -> StoreError:
    return StoreError(
        "The Dask scheduler is gone. What was finished is kept on disk; start the cluster, then run the same "
        "command again to go on."
    )


def open_executor(
    workers: int, scheduler: str | None, limits: WorkerLimits | None = None
) -> InProcess | DaskExecutor:
    """Choose where tasks run: the named cluster, ``workers`` local processes, or here for 0 workers."""
    if scheduler is None and workers == 0:
        return InProcess()
    return DaskExecutor(workers, scheduler, limits)
