"""Files that their owner alone can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from histoquant.store.atomic import writing


def write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read, whole or not at all.

    Parameters
    ----------
    path : Path
        Replaced where it exists; mode 0600 whatever the umask.
    data : bytes

    Raises
    ------
    StoreError
        If the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with writing(path):
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def is_private(path: Path) -> bool:
    """Whether nobody but its owner has any right to a file."""
    return not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
