"""Private files: whole or absent, and nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from histoquant.errors import StoreError
from histoquant.store.private import is_private, write_private


def test_a_private_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert is_private(tmp_path / "key")
    (tmp_path / "key").chmod(0o640)
    assert not is_private(tmp_path / "key")


def test_a_refused_write_keeps_the_old_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_private(tmp_path / "key", b"old")

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match="No space left"):
        write_private(tmp_path / "key", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"key": b"old"}
