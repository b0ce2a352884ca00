"""A whole run: find slides, quantify each, write the tables and the report."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from histoquant.errors import StoreError
from histoquant.run.exits import EXIT_NONE_USABLE, EXIT_OK
from histoquant.run.intake import Intake, take_in
from histoquant.run.options import RunOptions
from histoquant.run.order import read_order, write_order
from histoquant.run.protocol import digest_of, protocol_of
from histoquant.run.shard import Shard
from histoquant.store.atomic import make_folder
from histoquant.store.layout import OutputFolder
from histoquant.store.lock import OutputLock
from histoquant.store.log import RunLog


def run_slides(options: RunOptions) -> int:
    """Quantify slides into ``options.out``; running it again resumes.

    Parameters
    ----------
    options : RunOptions
        The command line.

    Returns
    -------
    int
        Exit status: 0 all slides fine or flagged, 3 some failed or were refused, 4 none usable,
        130 interrupted and resumable.

    Raises
    ------
    UsageError
        If options, study file or output folder make a run impossible; nothing was started.
    OutputLockedError
        If another run holds the output folder.
    """
    intake = take_in(options)
    if not intake.slide_ids:
        return _nothing_there(options)
    _warn_if_not_frozen(intake)
    out = _make_out(options.out)
    from histoquant.run.whole_run import WholeRun  # kernels: loaded when there is work

    with OutputLock(out.root):
        out.sweep()
        log = RunLog(out.root / "log.jsonl")
        try:
            return WholeRun(options, intake, out, log).go()
        finally:
            log.close()


def prepare_slides(options: RunOptions) -> int:
    """Check everything and leave the order of work in ``options.out`` for `work_shard`; reads no pixels.

    Parameters
    ----------
    options : RunOptions

    Returns
    -------
    int
        Exit status: 0, or 4 where there is no slide.
    """
    intake = take_in(options)
    if not intake.slide_ids:
        return _nothing_there(options)
    _make_out(options.out)
    write_order(options, len(intake.slide_ids))
    return EXIT_OK


def work_shard(out: Path, shard: Shard, workers: int, json_progress: bool) -> int:
    """Quantify one shard's slides of a prepared run; tables and report are left to `run_slides`.

    Parameters
    ----------
    out : Path
        Output folder that a run was prepared in.
    shard : Shard
        Which slides.
    workers : int
        Worker processes on this machine; 0 works in this process and opens no port.
    json_progress : bool
        Progress as JSON lines.

    Returns
    -------
    int
        Exit status as of `run_slides`, over this shard's slides.

    Raises
    ------
    StoreError
        If no run was prepared in the folder.
    OutputLockedError
        If a whole run, or the same shard, is at work there.
    """
    options = replace(read_order(out), workers=workers, scheduler=None, json_progress=json_progress)
    intake = take_in(options)
    from histoquant.run.whole_run import WholeRun

    folder = _make_out(out)
    with OutputLock(folder.root, shard.name):
        log = RunLog(folder.root / f"log-{shard.name}.jsonl")
        try:
            return WholeRun(options, intake, folder, log, shard).go()
        finally:
            log.close()


def _nothing_there(options: RunOptions) -> int:
    named = ", ".join(str(path) for path in options.slides)
    print(
        f"histoquant: no slides in {named}. Looked in all subfolders for whole-slide files (SVS, TIFF, "
        "OME-TIFF, NDPI, MRXS, SCN, BIF, DICOM, ...), PNG and JPEG; name a file to try it anyway.",
        file=sys.stderr,
    )
    return EXIT_NONE_USABLE


def _warn_if_not_frozen(intake: Intake) -> None:
    """Say before hours of work that `histoquant unblind` will refuse their result."""
    section = intake.blinding
    if section is not None and digest_of(protocol_of(intake)) != section.protocol_sha256:
        print(
            "histoquant: warning: these are not the parameters frozen at blinding; the run goes on, but "
            "`histoquant unblind` will not join it to the key.",
            file=sys.stderr,
        )


def _make_out(root: Path) -> OutputFolder:
    try:
        make_folder(root / "slides")
    except StoreError as error:
        reason = getattr(error.__cause__, "strerror", "")
        raise StoreError(f"{root}: cannot be written ({reason}). Choose another folder with -o.") from error
    if not os.access(root, os.W_OK):
        raise StoreError(f"{root}: cannot be written (no permission). Choose another folder with -o.")
    return OutputFolder(root.resolve())
