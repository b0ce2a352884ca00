"""One run at a time in an output folder: an exclusive lock file with a heartbeat."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from histoquant.errors import OutputLockedError

HEARTBEAT_S = 5.0
# A holder on another host that missed this many seconds of heartbeats is taken for dead.
STALE_AFTER_S = 120.0


class OutputLock:
    """Hold an output folder for one run.

    The file appears under its name once and whole, says host and process, and is touched every few seconds.
    A lock left by a process that is gone is taken over, by one run at a time. No result rests on the lock
    alone: file names are a function of their content's plan, so two runs would write the same bytes.

    Parameters
    ----------
    folder : Path
        The output folder; must exist.
    shard : str
        Name of a part of the run. Parts work side by side, the whole run only alone.

    Raises
    ------
    OutputLockedError
        On entering, if another live run, or the same part of one, holds the folder.
    """

    def __init__(self, folder: Path, shard: str = "") -> None:
        self.path = folder / (f".lock.{shard}" if shard else ".lock")
        self._excludes = ".lock" if shard else ".lock.*[0-9]"
        self._token = secrets.token_hex(8)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock-heartbeat", daemon=True)

    def __enter__(self) -> OutputLock:
        if not self._create():
            self._take_over()
        try:
            # after its own lock is there, so that of two that start at once at least one sees the other
            for other in sorted(self.path.parent.glob(self._excludes)):
                self._refuse_if_alive(other)
        except OutputLockedError:
            self.path.unlink(missing_ok=True)
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if _holder(self.path).get("token") == self._token:
            self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        """Make the lock, whole at once: with its name half written it would be held until it is stale."""
        draft = self.path.with_name(f"tmp{self.path.name}.{self._token}")
        self._write(draft)
        try:
            os.link(draft, self.path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            return self._create_in_two_steps()
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _create_in_two_steps(self) -> bool:
        try:
            self._write(self.path)
        except FileExistsError:
            return False
        return True

    def _write(self, path: Path) -> None:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        with os.fdopen(handle, "w") as file:
            json.dump({"host": socket.gethostname(), "pid": os.getpid(), "token": self._token}, file)

    def _take_over(self) -> None:
        """Replace a dead run's lock; only one of several runs that found it dead gets to do so."""
        self._refuse_if_alive(self.path)
        claim = self.path.with_name(f"{self.path.name}.takeover")
        if _age_s(claim) > STALE_AFTER_S:
            claim.unlink(missing_ok=True)
        try:
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            raise OutputLockedError(self._message("another run that starts now")) from None
        try:
            # whoever held the claim before may have made a fresh lock since
            self._refuse_if_alive(self.path)
            self.path.unlink(missing_ok=True)
            if not self._create():
                raise OutputLockedError(self._message("another run that starts now"))
        finally:
            claim.unlink(missing_ok=True)

    def _refuse_if_alive(self, lock: Path) -> None:
        if holder := _live_holder(lock):
            raise OutputLockedError(self._message(holder, lock))

    def _message(self, holder: str, lock: Path | None = None) -> str:
        return (
            f"{self.path.parent}: in use by {holder}. Wait for it to end, or choose another folder with -o; "
            f"if that run is surely gone, delete {lock or self.path}."
        )

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                os.utime(self.path)
            except OSError:
                return


def live_holders(folder: Path) -> list[str]:
    """Say which processes hold a folder, other than this one, in words; takes no lock."""
    locks = [folder / ".lock", *sorted(folder.glob(".lock.*[0-9]"))]
    return [holder for lock in locks if (holder := _live_holder(lock))]


def _live_holder(lock: Path) -> str:
    """The process that holds a lock, in words; empty where there is no lock or its process is dead."""
    age_s = _age_s(lock)
    holder = _holder(lock)
    host, pid = holder.get("host"), holder.get("pid")
    alive = 0 <= age_s < STALE_AFTER_S
    if host == socket.gethostname() and isinstance(pid, int) and os.name == "posix":
        # a heartbeat that stopped long ago is a number given to a new process since
        alive = alive and pid != os.getpid() and _exists(pid)
    return f"process {pid} on {host}" if alive else ""


def _holder(lock: Path) -> dict[str, Any]:
    try:
        holder = json.loads(lock.read_text())
    except (OSError, ValueError):
        # cut short between creation and writing: it counts by its age
        return {}
    return holder if isinstance(holder, dict) else {}


def _age_s(path: Path) -> float:
    """Seconds since a file was touched; -1 where it is gone."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return -1.0


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
