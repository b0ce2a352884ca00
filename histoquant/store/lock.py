"""One run at a time in an output folder: an exclusive lock file with a heartbeat."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType

from histoquant.errors import OutputLockedError

HEARTBEAT_S = 5.0
# A holder on another host that missed this many seconds of heartbeats is taken for dead.
STALE_AFTER_S = 120.0


class OutputLock:
    """Hold an output folder for one run.

    The file is created with ``O_EXCL``, names host and process, and is touched every few seconds.
    A lock left by a process that is gone is taken over. No result rests on the lock alone: file
    names are a function of their content's plan, so two runs would write the same bytes.

    Parameters
    ----------
    folder : Path
        The output folder; must exist.

    Raises
    ------
    OutputLockedError
        On entering, if another live run holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".lock"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock-heartbeat", daemon=True)

    def __enter__(self) -> OutputLock:
        if not self._create():
            self._refuse_if_alive()
            self.path.unlink(missing_ok=True)
            if not self._create():
                raise OutputLockedError(self._message("another run"))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.path.unlink(missing_ok=True)

    def _create(self) -> bool:
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            json.dump({"host": socket.gethostname(), "pid": os.getpid()}, file)
        return True

    def _refuse_if_alive(self) -> None:
        try:
            age_s = time.time() - self.path.stat().st_mtime
        except OSError:
            return
        try:
            holder = json.loads(self.path.read_text())
        except (OSError, ValueError):
            # cut short between creation and writing: it counts by its age
            holder = {}
        host, pid = holder.get("host"), holder.get("pid")
        if host == socket.gethostname() and isinstance(pid, int):
            alive = pid != os.getpid() and Path(f"/proc/{pid}").exists() if os.name == "posix" else True
        else:
            alive = age_s < STALE_AFTER_S
        if alive:
            raise OutputLockedError(self._message(f"process {pid} on {host}"))

    def _message(self, holder: str) -> str:
        return (
            f"{self.path.parent}: in use by {holder}. Wait for it to end, or choose another folder with -o; "
            f"if that run is surely gone, delete {self.path}."
        )

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                os.utime(self.path)
            except OSError:
                return
