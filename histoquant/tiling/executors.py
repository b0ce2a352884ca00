"""Where tasks run: in this process, on a local cluster, or on the user's own cluster."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

from histoquant.errors import SlideFailedError, StoreError, UsageError

_COUNT_EVERY_S: Final = 5.0
_TLS_KEYS: Final = "dask config key distributed.comm.tls"


class Done(NamedTuple):
    """One finished task: its name, and either its result or its error."""

    name: str
    result: Any
    error: BaseException | None


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
    """

    def __init__(self, workers: int, scheduler: str | None = None) -> None:
        if scheduler is not None:
            check_scheduler_address(scheduler)
        self._workers, self._scheduler = workers, scheduler
        self._cluster: Any = None
        self._client: Any = None
        self._completed: Any = None
        self._names: dict[str, str] = {}
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
        from distributed import Client, as_completed
        from distributed.utils import silence_logging_cmgr

        if self._scheduler is not None:
            _refuse_without_certificates(self._scheduler)
        # a lost connection is told once, in our words; Dask's own would scroll it away
        self._quiet.enter_context(silence_logging_cmgr(logging.CRITICAL + 1))
        if self._scheduler is None:
            # readable by this user alone, and gone afterwards
            scratch = tempfile.TemporaryDirectory(prefix="histoquant-", ignore_cleanup_errors=True)
            with _deaf_to_interrupts():
                self._cluster = loopback_cluster(self._workers, self._quiet.enter_context(scratch))
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
        self._names[key] = name
        self._completed.add(self._client.submit(function, *arguments, key=key, pure=False, retries=0))

    def next_done(self) -> Done:
        """Wait for any future, take its result, release it."""
        from distributed import CancelledError, KilledWorker

        future = next(self._completed)
        name = self._names.pop(future.key)
        try:
            return Done(name, future.result(), None)
        except KilledWorker:
            return Done(name, None, _worker_died())
        except CancelledError:
            # nothing here cancels a task: its scheduler went away and took the task with it
            return Done(name, None, _cluster_gone())
        except Exception as error:
            return Done(name, None, error)
        finally:
            future.release()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C: a terminal sends it to all, and only the run shall answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _worker_died() -> SlideFailedError:
    return SlideFailedError(
        "WORKER_DIED",
        "the worker processes that read this slide died repeatedly (out of memory, or a crash in a decoder). "
        "Run it alone with --workers 1, or check the file with another viewer.",
    )


def _cluster_gone() -> StoreError:
    return StoreError(
        "The Dask scheduler is gone. What was finished is kept on disk; start the cluster, then run the same "
        "command again to go on."
    )


def check_scheduler_address(address: str) -> None:
    """Refuse an address where others could read slides or run code.

    Raises
    ------
    UsageError
        If the address is no ``tls://`` address and does not lie on loopback.
    """
    match = re.fullmatch(r"(?P<scheme>tls|tcp)://(?P<host>\[[0-9a-f:]+\]|[^:/\[\]]+):(?P<port>\d+)", address)
    if match is None:
        raise UsageError(f"--scheduler {address}: not an address. Expected tls://host:port.")
    loopback = match["host"] in {"localhost", "[::1]"} or re.fullmatch(r"127(\.\d+){3}", match["host"])
    if match["scheme"] == "tcp" and not loopback:
        raise UsageError(
            f"--scheduler {address}: a plain tcp scheduler lets anyone on the network run code. "
            f"Use tls:// with certificates ({_TLS_KEYS})."
        )


def _refuse_without_certificates(address: str) -> None:
    """Before a client is made: without them it fails in words of its own, and takes a minute to go away."""
    from distributed.security import Security

    if not address.startswith("tls://"):
        return
    try:
        ready = Security().get_connection_args("client")["ssl_context"] is not None
    except OSError as error:  # also what ssl raises for a file that holds no certificate
        raise UsageError(
            f"--scheduler {address}: the certificates in the Dask configuration cannot be read ({error}). "
            f"See {_TLS_KEYS}."
        ) from error
    if not ready:
        raise UsageError(
            f"--scheduler {address}: no certificates are configured. Set ca-file, client.cert and client.key "
            f"({_TLS_KEYS}), in ~/.config/dask or as DASK_DISTRIBUTED__COMM__TLS__CA_FILE and so on."
        )


def loopback_cluster(workers: int, scratch: str) -> Any:
    """A scheduler and worker processes on this machine that nothing outside it can reach.

    Parameters
    ----------
    workers : int
        Processes of one thread each.
    scratch : str
        Folder for Dask's own files.

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
    }
    settings["temporary-directory"] = scratch  # of the scheduler too
    with dask.config.set(settings):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # a share of the machine's memory would stop healthy workers on machines of many cores
            memory_limit=0,
            local_directory=scratch,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )


def open_executor(workers: int, scheduler: str | None) -> InProcess | DaskExecutor:
    """Choose where tasks run: the named cluster, ``workers`` local processes, or here for 0 workers."""
    if scheduler is None and workers == 0:
        return InProcess()
    return DaskExecutor(workers, scheduler)
