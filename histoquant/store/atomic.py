"""Files that are whole or absent: written beside their place, synced, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from histoquant.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk refuses inside into one line that names the place and the way out.

    Raises
    ------
    StoreError
        In place of any OSError: a full disk, a quota, a folder that turned read-only, a failing device.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror or error}). What was finished is kept; make room or "
            "mend the disk, then run the same command again to go on."
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the place of ``path`` once all of it is written.

    Parameters
    ----------
    path : Path
        Where to write; the folder must exist.

    Yields
    ------
    BinaryIO

    Raises
    ------
    StoreError
        If the disk refuses; the temporary file is then removed, as it is when anything else fails.
    """
    temporary = path.with_name(f"tmp.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}")
    with writing(path):
        try:
            with temporary.open("xb") as file:
                shut_to_others(file.fileno())
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)


class Hashed(io.RawIOBase):
    """Writes to a file, and knows the SHA-256 of what was written: a file need not be read for its digest.

    Parameters
    ----------
    file : BinaryIO
        Stays open when this is closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of these bytes."""
        self._digest.update(data)
        return self._file.write(data)

    def hexdigest(self) -> str:
        """SHA-256 of all that was written, as hexadecimal text."""
        return self._digest.hexdigest()


def write_bytes(path: Path, *parts: bytes | memoryview) -> str:
    """Write parts one after the other so that ``path`` holds either its old or its new content, never a part.

    Parameters
    ----------
    path : Path
        Where to write; the folder must exist.
    *parts : bytes or memoryview
        Together the whole content.

    Returns
    -------
    str
        SHA-256 of the content as hexadecimal text.

    Raises
    ------
    StoreError
        If the disk refuses; the temporary file is then removed.
    """
    with replacing(path) as file:
        hashed = Hashed(file)
        for part in parts:
            hashed.write(part)
    return hashed.hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, as far as they are missing, none of them open for all to write to.

    Raises
    ------
    StoreError
        If the disk refuses.
    """
    with writing(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o775, exist_ok=True)


def shut_to_others(handle: int) -> None:
    """Take the right to write from all but owner and group, which a umask of 0 would give to everybody."""
    mode = stat.S_IMODE(os.fstat(handle).st_mode)
    if mode & stat.S_IWOTH and hasattr(os, "fchmod"):
        os.fchmod(handle, mode & ~stat.S_IWOTH)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_bytes(value: Any) -> bytes:
    """Encode as JSON with sorted keys and no NaN, the same bytes for the same value.

    Every key has a line, and every object of a list; a list of numbers or words is one line.
    """
    # bytes of a file name that are no UTF-8 stand as \udcXX, which is how JSON spells them
    return (_lines(value, "\n") + "\n").encode("utf-8", "backslashreplace")


def _lines(value: Any, start: str) -> str:
    """JSON of a value of which each further line begins with ``start``.

    With an indent of its own the standard library encodes in Python, ten times as long for a list of numbers.
    """
    if isinstance(value, dict) and value:
        keys = {key: _line(key) if isinstance(key, str) else f'"{_line(key)}"' for key in sorted(value)}
        parts = [f"{text}: {_lines(value[key], start + ' ')}" for key, text in keys.items()]
        return f"{{{start} {f',{start} '.join(parts)}{start}}}"
    if isinstance(value, list | tuple) and any(isinstance(part, dict) for part in value):
        return f"[{start} {f',{start} '.join(_lines(part, start + ' ') for part in value)}{start}]"
    return _line(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


_line = json.JSONEncoder(sort_keys=True, allow_nan=False, ensure_ascii=False, default=_plain).encode


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
