"""One run at a time, and no lock outlives its process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from histoquant.errors import OutputLockedError
from histoquant.store import lock as lock_module
from histoquant.store.lock import STALE_AFTER_S, OutputLock, live_holders


def _hold(path: Path, host: str, pid: int, age_s: float = 0.0) -> None:
    path.write_text(json.dumps({"host": host, "pid": pid}))
    then = time.time() - age_s
    os.utime(path, (then, then))


def test_a_live_process_keeps_others_out(tmp_path: Path):
    _hold(tmp_path / ".lock", socket.gethostname(), os.getppid())
    with pytest.raises(OutputLockedError, match=r"in use by process \d+ on .*-o"), OutputLock(tmp_path):
        pass
    assert (tmp_path / ".lock").exists()


def test_a_dead_process_is_taken_over_and_the_lock_removed_after(tmp_path: Path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    _hold(tmp_path / ".lock", socket.gethostname(), int(gone.stdout))
    with OutputLock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()


@pytest.mark.parametrize(("age_s", "held"), [(1.0, True), (STALE_AFTER_S + 60, False)])
def test_another_host_counts_by_its_heartbeat(tmp_path: Path, age_s: float, held: bool):
    _hold(tmp_path / ".lock", "some-other-host", 1, age_s)
    if held:
        with pytest.raises(OutputLockedError), OutputLock(tmp_path):
            pass
    else:
        with OutputLock(tmp_path):
            pass


def test_an_error_inside_still_frees_the_folder(tmp_path: Path):
    with pytest.raises(RuntimeError), OutputLock(tmp_path):
        raise RuntimeError
    assert not (tmp_path / ".lock").exists()


def test_a_number_reused_by_another_process_does_not_hold_for_ever(tmp_path: Path):
    _hold(tmp_path / ".lock", socket.gethostname(), os.getppid(), STALE_AFTER_S + 60)
    with OutputLock(tmp_path):
        pass


def test_a_lock_that_was_taken_over_is_not_removed_by_its_former_holder(tmp_path: Path):
    with OutputLock(tmp_path):
        _hold(tmp_path / ".lock", "some-other-host", 1)
    assert json.loads((tmp_path / ".lock").read_text())["host"] == "some-other-host"


_CONTENDER = """
import sys, time
from pathlib import Path
from histoquant.errors import OutputLockedError
from histoquant.store.lock import OutputLock
folder = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    with OutputLock(folder):
        print("held", flush=True)
        time.sleep(1.0)
except OutputLockedError:
    print("refused", flush=True)
"""


@pytest.mark.parametrize("stale", [False, True])
def test_of_many_starting_at_once_one_works(tmp_path: Path, stale: bool):
    if stale:
        _hold(tmp_path / ".lock", "some-other-host", 1, STALE_AFTER_S + 60)
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", _CONTENDER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for one in contenders:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    said = []
    for one in contenders:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in contenders:
        out, _ = one.communicate(timeout=60)
        said.append(out.strip())
    assert sorted(said) == ["held", *["refused"] * 5]
    assert not list(tmp_path.iterdir())


def test_shards_work_side_by_side_and_the_whole_run_alone(tmp_path: Path):
    _hold(tmp_path / ".lock.1-of-3", socket.gethostname(), os.getppid())
    with OutputLock(tmp_path, "2-of-3"):
        pass
    with pytest.raises(OutputLockedError, match=r"\.lock\.1-of-3"), OutputLock(tmp_path):
        pass
    with pytest.raises(OutputLockedError), OutputLock(tmp_path, "1-of-3"):
        pass
    (tmp_path / ".lock.1-of-3").unlink()
    with OutputLock(tmp_path):
        _hold(tmp_path / ".lock", socket.gethostname(), os.getppid())
        with pytest.raises(OutputLockedError), OutputLock(tmp_path, "1-of-3"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_the_heartbeat_touches_the_lock_and_ends_where_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lock_module, "HEARTBEAT_S", 0.01)
    with OutputLock(tmp_path) as held:
        os.utime(held.path, (0, 0))
        _wait_until(lambda: held.path.stat().st_mtime > 0)
        held.path.unlink()
        _wait_until(lambda: not held._thread.is_alive())


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_claim_on_a_dead_lock_keeps_others_out_until_it_is_stale_itself(tmp_path: Path):
    _hold(tmp_path / ".lock", "some-other-host", 1, STALE_AFTER_S + 60)
    claim = tmp_path / ".lock.takeover"
    claim.touch()
    with pytest.raises(OutputLockedError, match="starts now"), OutputLock(tmp_path):
        pass
    os.utime(claim, (0, 0))
    with OutputLock(tmp_path):
        assert not claim.exists()


def test_of_two_that_take_over_the_slower_one_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _hold(tmp_path / ".lock", "some-other-host", 1, STALE_AFTER_S + 60)
    contender = OutputLock(tmp_path)
    monkeypatch.setattr(contender, "_create", lambda: False)
    with pytest.raises(OutputLockedError, match="starts now"), contender:
        pass
    assert not (tmp_path / ".lock.takeover").exists()


def test_another_users_process_counts_as_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(pid: int, signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refused)
    _hold(tmp_path / ".lock", socket.gethostname(), 1)
    with pytest.raises(OutputLockedError), OutputLock(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "[1]", '{"host"'])
def test_a_lock_cut_short_counts_by_its_age(tmp_path: Path, content: str):
    (tmp_path / ".lock").write_text(content)
    with pytest.raises(OutputLockedError), OutputLock(tmp_path):
        pass
    os.utime(tmp_path / ".lock", (0, 0))
    with OutputLock(tmp_path):
        pass


def test_holders_are_told_without_taking_a_lock(tmp_path: Path):
    assert live_holders(tmp_path) == []
    _hold(tmp_path / ".lock", "some-other-host", 7)
    _hold(tmp_path / ".lock.1-of-2", "some-other-host", 8)
    _hold(tmp_path / ".lock.2-of-2", "some-other-host", 9, STALE_AFTER_S + 60)
    assert live_holders(tmp_path) == ["process 7 on some-other-host", "process 8 on some-other-host"]


def test_killed_while_it_wrote_its_name_a_run_holds_nothing(tmp_path: Path):
    """Random kill 95 of 200 left an empty lock, which held the folder for two minutes."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom histoquant.store import lock\n"
        "lock.json.dump = lambda *_: os.kill(os.getpid(), 9)\n"
        "lock.OutputLock(Path(sys.argv[1])).__enter__()\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    with OutputLock(tmp_path):
        assert live_holders(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("tmp.")] == []


def test_a_file_system_without_links_has_its_lock_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(lock_module.os, "link", refuse)
    with OutputLock(tmp_path):
        monkeypatch.setattr(lock_module.os, "getpid", os.getppid)  # as another run sees it
        assert OutputLock(tmp_path)._create() is False
        monkeypatch.undo()
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []
