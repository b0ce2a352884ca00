"""``histoquant unblind``: the key joined to finished results, in a copy; what was read blind stays."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from histoquant.calibration.model import ControlSlide
from histoquant.errors import StoreError, UsageError
from histoquant.report.html import write_report
from histoquant.run.cohort import COHORT_FLAGS, with_cohort_flags
from histoquant.run.protocol import deviations, digest_of
from histoquant.run.summary import slides_table
from histoquant.store.atomic import file_sha256, json_bytes, write_bytes, writing
from histoquant.store.csv_table import csv_bytes
from histoquant.store.layout import OutputFolder
from histoquant.store.lock import OutputLock
from histoquant.store.log import RunLog
from histoquant.store.parquet_table import parquet_bytes, read_parquet
from histoquant.store.private import is_private
from histoquant.store.verify import LOG, SEALS, verify, write_seals
from histoquant.study import biopsies
from histoquant.study.blind_key import BlindKey, KeyEntry, read_key
from histoquant.study.readers import joined_readings, read_readings
from histoquant.study.study_file import Study, load_study

_IDENTITY = ("patient", "tract", "timepoint", "section", "block", "batch", "clone", "control")


@dataclass(frozen=True)
class UnblindOptions:
    """The command line of ``histoquant unblind``.

    Attributes
    ----------
    out : Path
        Finished run over a blind folder.
    key : Path
    target : Path
        New folder for the unblinded copy.
    study : Path or None
        Study file of the trial; None takes the one the slides had when they were blinded.
    readers : tuple of Path
        Readers' tables by masked id.
    actor : str
        Who unblinds, for the log.
    as_json : bool
        What was joined as one JSON object.
    """

    out: Path
    key: Path
    target: Path
    study: Path | None = None
    readers: tuple[Path, ...] = ()
    actor: str = ""
    as_json: bool = False


def unblind_results(options: UnblindOptions) -> int:
    """Write an unblinded copy of a finished blind run.

    Parameters
    ----------
    options : UnblindOptions

    Returns
    -------
    int
        Exit status 0.

    Raises
    ------
    StoreError
        If the run is not finished or not as it was written.
    UsageError
        If key, run and frozen protocol do not belong together; nothing is joined then.
    """
    key, content = read_key(options.key)
    _check_target(options)
    readings = {path: read_readings(path) for path in options.readers}
    with OutputLock(options.out):
        run = _sealed_run(options.out)
        _check_commitment(run, key, content, options)
        slides = read_parquet(options.out / "slides.parquet")
        _check_slides(OutputFolder(options.out), slides, key)
        study = _study_of(options, key)
        # before any row is joined: what was seen must be in the log even if the disk then fails
        event = _event(options, key, content)
        log = RunLog(options.out / LOG)
        log.write("unblinded", **event)
        log.close()
        _write(options, key, slides, {**run, "unblinding": event}, study, readings)
    if options.as_json:
        told = {"folder": str(options.target), "blind": str(options.out), **event}
        sys.stdout.write(json_bytes(told).decode())
        return 0
    print(
        f"{event['slides']} slides unblinded in {options.target}; {options.out} stays as it was, with this "
        "in its log."
    )
    return 0


def _check_target(options: UnblindOptions) -> None:
    target = options.target.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"-o {options.target}: is not empty. Name a new folder for the unblinded copy.")
    if target.is_relative_to(options.out.resolve()):
        raise UsageError(f"-o {options.target}: lies in the blind results. Name a folder apart from them.")


def _sealed_run(out: Path) -> dict[str, Any]:
    faults = verify(out)
    if faults:
        said = "; ".join(f"{fault.file} {fault.what}" for fault in faults[:5])
        raise StoreError(
            f"{out}: is not as its run left it ({said}). Nothing was unblinded. Run again over the blind "
            "folder."
        )
    run: dict[str, Any] = json.loads((out / "run.json").read_text())
    return run


def _check_commitment(run: Mapping[str, Any], key: BlindKey, content: bytes, options: UnblindOptions) -> None:
    committed = run.get("blinding")
    if not isinstance(committed, dict):
        raise UsageError(
            f"{options.out}: was not made from a blind folder, so there is nothing to unblind. "
            "Run over the folder that `histoquant blind` filled."
        )
    if committed.get("key_sha256") != hashlib.sha256(content).hexdigest():
        raise UsageError(
            f"{options.key}: is not the key of {options.out}, or was changed. Name the right one."
        )
    frozen = key.protocol_sha256
    if committed.get("protocol_sha256") != frozen or digest_of(key.protocol) != frozen:
        raise UsageError(f"{options.key}: its frozen protocol was changed. Restore the key from its copy.")
    differing = deviations(key.protocol, run)
    if differing:
        more = f"; and {len(differing) - 4} more" if len(differing) > 4 else ""
        raise UsageError(
            f"{options.out}: was not made with the parameters frozen at blinding ({'; '.join(differing[:4])}"
            f"{more}). Nothing was unblinded. Run again with the frozen ones, or blind again under a new key "
            "before anyone has seen a result by visit."
        )


def _check_slides(out: OutputFolder, slides: pd.DataFrame, key: BlindKey) -> None:
    by_id = {entry.masked_id: entry for entry in key.entries}
    known, there = set(by_id), set(slides["slide_id"])
    if there != known:
        absent, foreign = sorted(known - there), sorted(there - known)
        raise UsageError(
            f"{out.root}: {len(absent)} masked slides are not in it and {len(foreign)} of its slides are not "
            f"in the key ({', '.join([*absent, *foreign][:5])}). Finish the run over the whole blind folder."
        )
    for row in slides.to_dict("records"):
        entry = by_id[str(row["slide_id"])]
        if row["marker"] != entry.marker:
            raise UsageError(
                f"{entry.masked_id}: read as {row['marker']}, blinded as {entry.marker}. The slide table of "
                "the blind folder was changed; restore it and run again."
            )
        source = (out.manifest(entry.masked_id) or {}).get("source")
        if source is not None and sorted(part["sha256"] for part in source) != sorted(entry.sha256):
            raise UsageError(
                f"{entry.masked_id}: the file that was read is not the one that was blinded. Copy the "
                "original to the blind folder again under this name, and run again."
            )


def _study_of(options: UnblindOptions, key: BlindKey) -> Study | None:
    path = options.study if options.study is not None else Path(key.study) if key.study else None
    if path is None:
        return None
    if not path.exists():
        raise UsageError(f"{path}: the trial's study file is not there. Name it with --study.")
    return load_study(path)


def _event(options: UnblindOptions, key: BlindKey, content: bytes) -> dict[str, Any]:
    return {
        "actor": options.actor,
        "blinded": key.made,
        "slides": len(key.entries) - key.duplicates,
        "duplicates": key.duplicates,
        "key_sha256": hashlib.sha256(content).hexdigest(),
        "key_private": is_private(options.key),
        "protocol_sha256": key.protocol_sha256,
        "results_sha256": file_sha256(options.out / SEALS),
        "readers": {path.name: file_sha256(path) for path in options.readers},
    }


def unmasked(slides: pd.DataFrame, key: BlindKey) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join a key to a slide table.

    Parameters
    ----------
    slides : DataFrame
        Of a blind run.
    key : BlindKey

    Returns
    -------
    slides : DataFrame
        One row per original slide, sorted by its own id in ``original_id``; ``slide_id`` stays the mask, for
        pictures and cells lie under it. ``file`` is the original's place.
    duplicates : DataFrame
        Rows of second showings, in the same columns.
    """
    by_mask = {entry.masked_id: entry for entry in key.entries}
    rows = [_unmasked(row, by_mask[row["slide_id"]]) for row in slides.to_dict("records")]
    rows.sort(key=lambda row: row["original_id"])
    tables = []
    for reading in (1, 2):
        # what slides tell of each other is told anew: second showings took part in it
        own = with_cohort_flags([row for row in rows if by_mask[row["slide_id"]].reading == reading])
        table = slides_table(own)
        table.insert(1, "original_id", pd.Series([row["original_id"] for row in own], dtype="string"))
        tables.append(table)
    return tables[0], tables[1]


def _unmasked(row: dict[Any, Any], entry: KeyEntry) -> dict[str, Any]:
    own = [flag for flag in (row.get("flags") or "").split(";") if flag and flag not in COHORT_FLAGS]
    flags = list(dict.fromkeys([*own, *entry.flags]))
    usable = str(row["status"]).startswith("OK")
    status = ("OK_WITH_FLAGS" if flags else "OK") if usable else row["status"]
    identity = {name: getattr(entry, name) for name in _IDENTITY}
    return {
        **{str(name): value for name, value in row.items()},
        **identity,
        "original_id": entry.slide_id,
        "file": entry.source,
        "flags": ";".join(flags),
        "status": status,
    }


def _write(
    options: UnblindOptions,
    key: BlindKey,
    slides: pd.DataFrame,
    run: dict[str, Any],
    study: Study | None,
    readings: Mapping[Path, pd.DataFrame],
) -> None:
    target = options.target
    with writing(target):
        (target / "slides").mkdir(parents=True, exist_ok=True)
    shown, again = unmasked(slides, key)
    run = {**run, "study": study.name if study is not None else None, "slides": _sources(key)}
    per_biopsy = biopsies(shown, study)
    _copy_slides(options.out, target, [str(name) for name in shown["slide_id"]])
    write_bytes(target / "slides.csv", csv_bytes(shown))
    write_bytes(target / "slides.parquet", parquet_bytes(shown))
    write_bytes(target / "biopsies.csv", csv_bytes(per_biopsy))
    write_bytes(target / "duplicates.csv", csv_bytes(again))
    for path, table in readings.items():
        write_bytes(target / f"reader-{path.stem}.csv", csv_bytes(joined_readings(table, key.entries, path)))
    controls = _controls(run, key)
    run["controls"] = [control.model_dump(mode="json") for control in controls]
    write_report(target, shown, per_biopsy, run, controls)
    write_bytes(target / "run.json", json_bytes(run))
    write_bytes(target / LOG, (options.out / LOG).read_bytes())
    write_seals(OutputFolder(target))


def _sources(key: BlindKey) -> list[dict[str, str]]:
    first = [entry for entry in key.entries if entry.reading == 1]
    return [{"slide_id": entry.masked_id, "file": entry.source} for entry in first]


def _controls(run: Mapping[str, Any], key: BlindKey) -> list[ControlSlide]:
    """Control slides of the run under their own names and batches, in the order of batch and name."""
    by_file = {Path(entry.file).name: entry for entry in key.entries}
    found = []
    for one in run.get("controls") or ():
        control = ControlSlide.model_validate(one)
        entry = by_file[control.slide]
        named = {"slide": Path(entry.source).name, "batch": entry.batch or control.batch}
        found.append(control.model_copy(update=named | {"clone": entry.clone}))
    return sorted(found, key=lambda control: (control.marker, control.batch, control.slide))


def _copy_slides(out: Path, target: Path, slide_ids: Sequence[str]) -> None:
    """Results of each slide as hard links, which cost nothing; as copies where the disk has none."""
    for slide_id in slide_ids:
        folder = target / "slides" / slide_id
        with writing(folder):
            folder.mkdir()
            for file in sorted((out / "slides" / slide_id).iterdir()):
                try:
                    os.link(file, folder / file.name)
                except OSError:
                    shutil.copyfile(file, folder / file.name)
