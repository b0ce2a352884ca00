"""``histoquant blind``: a folder of slides that tells nothing but the marker, and the key to it elsewhere."""

from __future__ import annotations

import csv
import hashlib
import io
import secrets
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from histoquant.errors import UsageError
from histoquant.markers import marker_names
from histoquant.run.blind_copy import (
    EPOCH_S,
    copy_file,
    copy_regions,
    level_times,
    masked_name,
    masked_parts,
    toml_text,
)
from histoquant.run.first_look import require_blind_places
from histoquant.run.intake import Intake, take_in
from histoquant.run.options import RunOptions
from histoquant.run.protocol import digest_of, protocol_of
from histoquant.slides import slide_files
from histoquant.slides.residue import residue
from histoquant.store.atomic import json_bytes, write_bytes
from histoquant.store.private import write_private
from histoquant.study.annotations import annotation_file
from histoquant.study.blind_key import BlindKey, KeyEntry
from histoquant.study.blinding import DUPLICATE_SHARE, Masked, Subject, draw_masks, neighbours_alike
from histoquant.study.study_file import STUDY_FILE

TABLE = "slides.csv"
_IDENTITY = ("patient", "tract", "timepoint", "section", "block", "batch", "clone", "control")


@dataclass(frozen=True)
class BlindOptions:
    """The command line of ``histoquant blind``.

    Attributes
    ----------
    run : RunOptions
        Source folder, blind folder as ``out``, and what is frozen: resolution, settings, calibration.
    key : Path
        Where the key goes.
    seed : str or None
        The statistician's; None draws one.
    duplicate_share : float
        Part of the slides that is shown twice.
    keep_batch : bool
        Whether the blind slide table says the staining batch.
    link : bool
        Hard links instead of copies.
    strict : bool
        Refuse slides whose files still tell whose they are.
    as_json : bool
        What was done as one JSON object.
    """

    run: RunOptions
    key: Path
    seed: str | None = None
    duplicate_share: float = DUPLICATE_SHARE
    keep_batch: bool = False
    link: bool = False
    strict: bool = False
    as_json: bool = False

    @property
    def folder(self) -> Path:
        """The blind folder."""
        return self.run.out


def blind_slides(options: BlindOptions) -> int:
    """Copy slides under masks in random order and write the key.

    Parameters
    ----------
    options : BlindOptions

    Returns
    -------
    int
        Exit status 0.

    Raises
    ------
    UsageError
        If the key would lie in the blind folder, either exists already, a slide cannot be told apart or
        copied, or, with ``strict``, a file still tells whose it is. Nothing is written then.
    """
    require_blind_places(options.run.slides, options.folder, options.key)
    intake = take_in(options.run)
    _check_slides(options, intake)
    left = _residues(intake)
    if options.strict and left:
        raise UsageError(_residue_text(left) + " Nothing was written; leave out --strict to go on.")
    subjects = [_subject(intake, slide_id) for slide_id in intake.slide_ids]
    seed = options.seed if options.seed is not None else secrets.token_hex(32)
    drawn = draw_masks(subjects, seed, options.duplicate_share, frozenset(marker_names()))
    key = _key(options, intake, drawn, neighbours_alike(drawn, subjects), seed)
    # the map first: copies whose map is lost with a crash would be lost themselves
    write_private(options.key, key.encoded())
    options.folder.mkdir(parents=True, exist_ok=True)
    entries = tuple(_copy(entry, intake.slides[entry.slide_id], options) for entry in key.entries)
    key = key.model_copy(update={"entries": entries})
    write_private(options.key, key.encoded())
    write_bytes(options.folder / TABLE, _table(key, intake, options.keep_batch))
    write_bytes(options.folder / STUDY_FILE, _study_file(key, intake))
    level_times(options.folder, _common_time_ns(options, intake))
    _say(options, key, left)
    return 0


def _check_slides(options: BlindOptions, intake: Intake) -> None:
    if not intake.slide_ids:
        raise UsageError(f"{options.run.slides[0]}: no slides there. Name the folder that holds them.")
    if intake.refused:
        reasons = [f"{row['file']}: {row['reason']}" for row in intake.refused.values()]
        more = f" ... and {len(reasons) - 5} more." if len(reasons) > 5 else ""
        raise UsageError(f"Nothing was blinded; these slides cannot be: {' '.join(reasons[:5])}{more}")
    for slide_id, path in intake.slides.items():
        masked_parts(path, slide_id)
    files = [file for path in intake.slides.values() for file in slide_files(path)]
    if not options.link:
        needed, free = sum(file.stat().st_size for file in files), _free_bytes(options.folder)
        if needed * (1 + options.duplicate_share) > free:
            raise UsageError(
                f"-o {options.folder}: {needed / 1e9:.1f} GB of slides, {free / 1e9:.1f} GB free. Make room, "
                "or use --link."
            )
    elif len({file.stat().st_mtime_ns for file in files}) > 1:
        raise UsageError(
            "--link: a hard link shows the time of the original, and the originals' times differ, so that "
            "visits could be told apart. Leave out --link, or give all originals one time (touch -d "
            "2000-01-01)."
        )


def _common_time_ns(options: BlindOptions, intake: Intake) -> int:
    """The time of everything in the blind folder: of the originals where they are linked."""
    if not options.link:
        return EPOCH_S * 1_000_000_000
    return slide_files(next(iter(intake.slides.values())))[0].stat().st_mtime_ns


def _free_bytes(folder: Path) -> int:
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free


def _subject(intake: Intake, slide_id: str) -> Subject:
    known = intake.identities[slide_id]
    biopsy = (known.patient, known.tract, known.timepoint)
    alone = known.control is not None or not any(biopsy)
    return Subject(slide_id, slide_id if alone else biopsy, known.marker or "", known.control is None)


def _residues(intake: Intake) -> Counter[str]:
    left: Counter[str] = Counter()
    for slide_id, path in intake.slides.items():
        known = intake.identities[slide_id]
        words = [known.patient or "", slide_id, path.name]
        files = [path] if path.is_file() else slide_files(path)[:1]
        left.update({kind for file in files for kind in residue(file, words)})
    return left


def _residue_text(left: Counter[str]) -> str:
    counted = ", ".join(f"{kind} in {count}" for kind, count in sorted(left.items()))
    return (
        f"Slide files still hold: {counted}. histoquant shows none of it, but other viewers do. Remove it "
        "with a de-identification tool for your format before blinding, or let readers see slides in "
        "histoquant only."
    )


def _key(options: BlindOptions, intake: Intake, drawn: tuple[Masked, ...], alike: int, seed: str) -> BlindKey:
    protocol = protocol_of(intake)
    source = options.run.slides[0].absolute()
    entries = []
    for one in drawn:
        known = intake.identities[one.slide_id]
        path = intake.slides[one.slide_id].absolute()
        entries.append(
            KeyEntry(
                masked_id=one.masked_id,
                file=masked_name(masked_parts(path, one.masked_id)),
                source=path.relative_to(source).as_posix() if path.is_relative_to(source) else str(path),
                slide_id=one.slide_id,
                reading=2 if one.reading == 2 else 1,
                marker=intake.markers[one.slide_id].name,
                flags=known.flags,
                **{name: getattr(known, name) for name in _IDENTITY},
            )
        )
    return BlindKey(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        source=str(source),
        study=str(intake.study.path) if intake.study is not None else None,
        seed=seed,
        duplicates=sum(entry.reading == 2 for entry in entries),
        neighbours_alike=alike,
        protocol=protocol,
        protocol_sha256=digest_of(protocol),
        entries=tuple(entries),
    )


def _copy(entry: KeyEntry, path: Path, options: BlindOptions) -> KeyEntry:
    parts = masked_parts(path, entry.masked_id)
    digests = [copy_file(file, options.folder / name, options.link) for file, name in parts.items()]
    drawn = annotation_file(path)
    if drawn is not None:
        copy_regions(drawn, options.folder / f"{entry.file}.geojson")
    return entry.model_copy(update={"sha256": tuple(sorted(digests))})


def _table(key: BlindKey, intake: Intake, keep_batch: bool) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["slide", "marker", "batch", "mpp", "control"])
    for entry in key.entries:
        mpp = intake.identities[entry.slide_id].study_mpp
        batch = entry.batch if keep_batch else None
        writer.writerow(
            [entry.file, entry.marker, batch or "", "" if mpp is None else repr(mpp), entry.control or ""]
        )
    return buffer.getvalue().encode()


def _study_file(key: BlindKey, intake: Intake) -> bytes:
    """The frozen options, and the digests that tie the key to the run without telling anything of it."""
    lines = ["[study]", 'name = "blinded reading"', "", "[slides]", f'table = "{TABLE}"', "", "[run]"]
    lines.append(f"working-mpp = {intake.parameters.working_mpp_um!r}")
    if intake.mpp is not None:
        lines.append(f"mpp = {intake.mpp!r}")
    settings = [f"{toml_text(name)} = {toml_text(value)}" for name, value in sorted(intake.settings.items())]
    lines += ["", "[run.set]", *settings] if settings else []
    lines += ["", "[blinding]", f'key_sha256 = "{hashlib.sha256(key.encoded()).hexdigest()}"']
    lines.append(f'protocol_sha256 = "{key.protocol_sha256}"')
    return ("\n".join(lines) + "\n").encode()


def _say(options: BlindOptions, key: BlindKey, left: Counter[str]) -> None:
    if left:
        print(f"histoquant: warning: {_residue_text(left)}", file=sys.stderr)
    locked = key.protocol["calibration_locks"] is not None
    if options.as_json:
        told = {
            "folder": str(options.folder),
            "key": str(options.key),
            "slides": len(key.entries) - key.duplicates,
            "shown_twice": key.duplicates,
            "neighbours_alike": key.neighbours_alike,
            "needs_calibration": locked,
            "files_still_hold": dict(left),
        }
        sys.stdout.write(json_bytes(told).decode())
        return
    twice = f", {key.duplicates} of them shown twice" if key.duplicates else ""
    print(f"{len(key.entries) - key.duplicates} slides{twice}, masked in {options.folder}.")
    print(
        f"Key: {options.key}. Keep it, and a copy, where no reader can open it. Next: histoquant run "
        f"{options.folder}"
    )
    if key.neighbours_alike:
        print(
            f"In {key.neighbours_alike} places slides of one biopsy follow each other: there are too few "
            "biopsies to part them."
        )
    if locked:
        print("Run with the same --calibration file: it is not copied, for it names its control slides.")
