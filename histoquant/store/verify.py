"""Whether an output folder still holds what its run wrote, to the byte."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from histoquant.errors import StoreError
from histoquant.store.atomic import file_sha256, write_bytes
from histoquant.store.layout import OutputFolder
from histoquant.store.log import first_broken_line

SEALS = "SHA256SUMS"
"""In the form of sha256sum: top-level files and each slide's manifest, which lists the slide's files."""
LOG = "log.jsonl"
STUDY = "study/"
"""Where a study's tables and figures lie; they are sealed one by one."""
_NAME = rf"[^/\\]+|slides/[^/\\]+/manifest\.json|{STUDY}(?:figures/)?[^/\\]+"
_LINE = re.compile(rf"(?P<digest>[0-9a-f]{{64}})  (?P<name>{_NAME})")
_LOG_LINE = re.compile(rf"# {re.escape(LOG)} (?P<bytes>\d+) (?P<digest>[0-9a-f]{{64}})")
# Grows and goes with each run; its own lines prove the log.
_UNSEALED = {SEALS, LOG}


class Fault(NamedTuple):
    """One thing that is not as the run left it."""

    file: str
    what: str


def write_seals(out: OutputFolder) -> None:
    """List the digests of a finished run; the last file it writes.

    Parameters
    ----------
    out : OutputFolder
        With all tables and manifests in place.
    """
    lines = [_line(out, name) for name in _sealed_names(out)]
    write_bytes(out.root / SEALS, "".join([*lines, _log_line(out)]).encode())


def renew_seals(root: Path, names: Iterable[str]) -> None:
    """Seal files that were rewritten after the run, and the longer log.

    Every other digest stays as the run left it, so that a file changed since then is still found.

    Parameters
    ----------
    root : Path
        Output folder; without a finished run nothing is sealed.
    names : iterable of str
        As `SHA256SUMS` names them; one that was not sealed before is added.
    """
    seals = root / SEALS
    if not seals.is_file():
        return
    out = OutputFolder(root)
    *lines, log_line = seals.read_bytes().decode("ascii", "replace").splitlines(keepends=True) or [""]
    listed = {line[66:].rstrip("\n"): line for line in lines}
    listed |= {name: _line(out, name) for name in names}
    there = [name for name in _sealed_names(out) if name in listed]
    # what is listed and gone was there when it was sealed, but for a study's own files
    gone = [name for name in listed if name not in there and not name.startswith(STUDY)]
    if not any(_log_faults(root, log_line.rstrip("\n"))):
        log_line = _log_line(out)
    write_bytes(seals, "".join([*(listed[name] for name in (*there, *gone)), log_line]).encode())


def is_as_sealed(root: Path, contents: Mapping[str, bytes], files: Iterable[str]) -> bool:
    """Whether the last finished run here wrote these contents, and left these files as they are.

    Parameters
    ----------
    root : Path
        Output folder.
    contents : mapping of str to bytes
        By file name, what a run would write now.
    files : iterable of str
        Names of files that were made from those and need not be made again.
    """
    try:
        text = (root / SEALS).read_bytes().decode("ascii", "replace")
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        digests |= {name: file_sha256(root / name) for name in files}
    except FileNotFoundError:
        return False
    lines = set(text.splitlines())
    return all(f"{digest}  {name}" in lines for name, digest in digests.items())


def seal_study(root: Path) -> None:
    """Seal the report, tables and figures of a study; see `renew_seals`."""
    renew_seals(root, ["report.html", *_study_names(OutputFolder(root))])


def _line(out: OutputFolder, name: str) -> str:
    return f"{file_sha256(out.root / name)}  {name}\n"


def _log_line(out: OutputFolder) -> str:
    log = out.root / LOG
    content = log.read_bytes() if log.exists() else b""
    return f"# {LOG} {len(content)} {hashlib.sha256(content).hexdigest()}\n"


def _sealed_names(out: OutputFolder) -> list[str]:
    top = [path.name for path in out.root.iterdir() if path.is_file() and path.name not in _UNSEALED]
    named = [name for name in top if not name.startswith(("tmp.", ".lock"))]
    slides = [f"slides/{path.parent.name}/manifest.json" for path in _manifests(out)]
    return sorted(named) + sorted(slides) + sorted(_study_names(out))


def _study_names(out: OutputFolder) -> Iterator[str]:
    """Tables and figures that a study left beside the run."""
    for folder in (out.root / "study", out.root / "study" / "figures"):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_file() and not path.name.startswith("tmp."):
                yield path.relative_to(out.root).as_posix()


def _manifests(out: OutputFolder) -> Iterator[Path]:
    return (out.root / "slides").glob("*/manifest.json")


def verify(root: Path) -> list[Fault]:
    """Recompute every checksum of an output folder.

    Parameters
    ----------
    root : Path
        What ``histoquant run`` was told with ``-o``.

    Returns
    -------
    list of Fault
        Empty when every byte is as written: tables, report, manifests, every file of every slide, and each
        line of the log up to the end of the last run.

    Raises
    ------
    StoreError
        If the folder holds no finished run.

    Notes
    -----
    Changes by someone who also renews the checksums are found only against a copy of ``SHA256SUMS`` kept
    elsewhere.
    """
    out = OutputFolder(root)
    try:
        text = (root / SEALS).read_bytes().decode("ascii", "replace")
    except FileNotFoundError:
        raise StoreError(
            f"{root}: holds no {SEALS}, so no run was finished here. Name a folder a run has filled."
        ) from None
    faults: list[Fault] = []
    listed: dict[str, str] = {}
    *lines, log_line = text.split("\n")[:-1] or [""]
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            faults.append(Fault(SEALS, f"line {number} is altered"))
        else:
            listed[match["name"]] = match["digest"]
    faults += _log_faults(root, log_line) if text.endswith("\n") else [Fault(SEALS, "its end is missing")]
    faults += [fault for name, digest in listed.items() for fault in _file_faults(root, name, digest)]
    faults += [Fault(name, "is not listed") for name in _sealed_names(out) if name not in listed]
    for folder in sorted(path for path in (root / "slides").glob("*") if path.is_dir()):
        faults += _slide_faults(out, folder)
    return faults


def _file_faults(root: Path, name: str, digest: str) -> Iterator[Fault]:
    path = root / name
    if not path.is_file():
        yield Fault(name, "is missing")
    elif file_sha256(path) != digest:
        yield Fault(name, "differs from what was written")


def _slide_faults(out: OutputFolder, folder: Path) -> Iterator[Fault]:
    slide_id = folder.name
    manifest = out.manifest(slide_id)
    if manifest is None:
        yield Fault(f"slides/{slide_id}/manifest.json", "is missing or cannot be read")
        return
    for name in out.changed_files(slide_id):
        yield Fault(f"slides/{slide_id}/{name}", "is missing or differs from what was written")
    for name in sorted(path.name for path in folder.iterdir()):
        if name != "manifest.json" and name not in manifest.get("files", {}):
            yield Fault(f"slides/{slide_id}/{name}", "is not listed")


def _log_faults(root: Path, line: str) -> Iterator[Fault]:
    match = _LOG_LINE.fullmatch(line)
    if match is None:
        yield Fault(SEALS, f"the line of {LOG} is altered")
        return
    try:
        content = (root / LOG).read_bytes()
    except FileNotFoundError:
        yield Fault(LOG, "is missing")
        return
    size = int(match["bytes"])
    if len(content) < size or hashlib.sha256(content[:size]).hexdigest() != match["digest"]:
        broken = first_broken_line(content)
        yield Fault(LOG, "was changed" if broken is None else f"was changed before line {broken}")
