"""Files that are whole or absent: written beside their place, synced, then renamed."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from histoquant.errors import StoreError

# Spreadsheet programs run cells that begin with these as formulas (OWASP ASVS 1.2.10).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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


def write_bytes(path: Path, data: bytes) -> str:
    """Write ``data`` so that ``path`` holds either its old or its new content, never a part.

    Parameters
    ----------
    path : Path
        Where to write; the folder must exist.
    data : bytes
        The whole content.

    Returns
    -------
    str
        SHA-256 of ``data`` as hexadecimal text.

    Raises
    ------
    StoreError
        If the disk refuses; the temporary file is then removed.
    """
    temporary = path.with_name(f"tmp.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}")
    with writing(path):
        try:
            with temporary.open("xb") as file:
                shut_to_others(file.fileno())
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)
    return hashlib.sha256(data).hexdigest()


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
    """Encode as JSON with sorted keys and no NaN, the same bytes for the same value."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False, default=_plain)
    # bytes of a file name that are no UTF-8 stand as \udcXX, which is how JSON spells them
    return (text + "\n").encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """Encode as CSV: nine significant digits, empty for missing, no cell that acts as a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.itertuples(index=False):
        writer.writerow([_csv_cell(value) for value in row])
    return buffer.getvalue().encode()


def _csv_cell(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return f"{value:.9g}"
    if isinstance(value, list | tuple):
        return ";".join(str(part) for part in value)
    text = str(value)
    return "'" + text if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text


def parquet_bytes(table: pa.Table | pd.DataFrame) -> bytes:
    """Encode as Parquet (zstd), the same bytes for the same table and library versions."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False)
    if any(pa.types.is_list(field.type) for field in table.schema):
        # pandas cannot read its own note about Arrow lists back
        table = table.replace_schema_metadata(None)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=3)
    return sink.getvalue()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
