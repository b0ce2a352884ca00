"""The slide table: one CSV row per slide, checked cell by cell before any slide is opened."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from histoquant.errors import StudyError
from histoquant.study.csv_cells import read_lines, refuse
from histoquant.study.patterns import slide_stem
from histoquant.study.rules import ID_RULE, comparable, is_id, path_below

ID_COLUMNS = ("patient", "tract", "timepoint", "marker", "section", "block", "batch", "clone")
COLUMNS = ("slide", *ID_COLUMNS, "mpp", "control", "sha256")
CONTROL_KINDS = ("positive", "negative")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SlideRow:
    """One row of the slide table.

    Attributes
    ----------
    line : int
        Line in the file, the header being line 1.
    slide : str
        The slide as written, with ``/`` between folders.
    path : Path
        Where it would lie, absolute.
    patient, tract, timepoint, marker, section, block, batch, clone : str or None
        As written; None where the cell is empty.
    mpp : float or None
        um/px.
    control : str or None
        ``positive`` or ``negative`` for a control slide; None for a slide of the study.
    sha256 : str or None
        Digest that the slide's bytes must have, lower case; `histoquant.run.source.source_sha256` tells that
        of a slide of several files.
    """

    line: int
    slide: str
    path: Path
    patient: str | None = None
    tract: str | None = None
    timepoint: str | None = None
    marker: str | None = None
    section: str | None = None
    block: str | None = None
    batch: str | None = None
    clone: str | None = None
    mpp: float | None = None
    control: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class SlideTable:
    """All rows of one slide table.

    Attributes
    ----------
    name : str
        File name, for messages.
    rows : tuple of SlideRow
    """

    name: str
    rows: tuple[SlideRow, ...]

    def find(self, path: Path) -> SlideRow | None:
        """Return the row of a slide: by its place, else by its file name, with or without its ending."""
        place = comparable(str(path.resolve()))
        for row in self.rows:
            if comparable(str(row.path)) == place:
                return row
        names = (comparable(path.name), comparable(slide_stem(path)))
        loose = (row for row in self.rows if not row.path.exists())
        return next((row for row in loose if comparable(row.slide) in names), None)

    def match(self, paths: Iterable[Path]) -> dict[Path, SlideRow]:
        """Give each slide its row.

        Parameters
        ----------
        paths : iterable of Path
            Slides of the run.

        Returns
        -------
        dict of Path to SlideRow
            Slides without a row are left out.

        Raises
        ------
        StudyError
            If one row fits two slides.
        """
        found = {path: row for path in paths if (row := self.find(path)) is not None}
        by_line: dict[int, Path] = {}
        for path, row in found.items():
            other = by_line.setdefault(row.line, path)
            if other != path:
                raise StudyError(
                    f"{self.name}: row {row.line}, column slide: {row.slide!r} fits both {other} and {path}. "
                    "Write the path relative to the study folder."
                )
        return found


def read_slide_table(path: Path, folder: Path, timepoints: Iterable[str] = ()) -> SlideTable:
    """Read and check a slide table.

    Parameters
    ----------
    path : Path
        CSV file: comma, semicolon or tab between cells, UTF-8, columns among `COLUMNS`, ``slide`` required.
    folder : Path
        The study folder, below which every slide must lie.
    timepoints : iterable of str
        Declared labels; when there are any, no other may be used. Case follows the declaration.

    Returns
    -------
    SlideTable

    Raises
    ------
    StudyError
        With every fault found (the first 20), each naming row, column and cure.
    """
    lines, faults = read_lines(path, COLUMNS, ("slide",), kind="slide table", numbers=("mpp",))
    labels = {label.casefold(): label for label in timepoints}
    rows: list[SlideRow] = []
    seen: dict[str, int] = {}
    for line in lines:
        row, wrong = _row(line.number, line.said, folder, labels)
        faults += wrong
        if row is not None:
            first = seen.setdefault(comparable(str(row.path)), line.number)
            if first != line.number:
                faults.append(
                    f"row {line.number}, column slide: {row.slide!r} is already in row {first}; "
                    "keep one of them"
                )
            rows.append(row)
    refuse(path.name, faults)
    if not rows:
        raise StudyError(
            f"{path.name}: no slides listed. Add one row per slide, or remove `table` from study.toml."
        )
    return SlideTable(path.name, tuple(rows))


def _row(
    line: int, said: Mapping[str, str], folder: Path, labels: Mapping[str, str]
) -> tuple[SlideRow | None, list[str]]:
    faults = []
    identity: dict[str, str] = {}
    for name in ID_COLUMNS:
        text = said.get(name, "")
        # "H&E" is how people write the stain; it names nothing on disk
        if text and not is_id(text) and not (name == "marker" and text.upper() == "H&E"):
            faults.append(f"row {line}, column {name}: {text!r} cannot be used; use {ID_RULE}")
        elif text:
            identity[name] = text
    faults += _settle_timepoint(line, identity, labels)
    mpp, fault = _mpp(line, said.get("mpp", ""))
    faults += fault
    control = said.get("control", "").lower() or None
    if control is not None and control not in CONTROL_KINDS:
        faults.append(
            f"row {line}, column control: {said['control']!r} is not a kind of control; write positive or "
            "negative, or leave it empty for a slide of the study"
        )
    digest = said.get("sha256", "").lower() or None
    if digest is not None and _SHA256.fullmatch(digest) is None:
        faults.append(
            f"row {line}, column sha256: {said['sha256']!r} is no SHA-256; write the 64 digits of sha256sum"
        )
    try:
        path = path_below(folder, said["slide"])
    except ValueError as error:
        return None, [*faults, f"row {line}, column slide: {said['slide']!r} {error}"]
    slide = said["slide"].replace("\\", "/").removeprefix("./")
    return SlideRow(line, slide, path, mpp=mpp, control=control, sha256=digest, **identity), faults


def _settle_timepoint(line: int, identity: dict[str, str], labels: Mapping[str, str]) -> list[str]:
    text = identity.get("timepoint")
    if text is None or not labels:
        return []
    if text.casefold() in labels:
        identity["timepoint"] = labels[text.casefold()]
        return []
    return [
        f"row {line}, column timepoint: {text!r} is not declared (declared: {', '.join(labels.values())}); "
        "correct it, or add it to [[timepoints]] in study.toml"
    ]


def _mpp(line: int, text: str) -> tuple[float | None, list[str]]:
    if not text:
        return None, []
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and value > 0:
        return value, []
    return None, [f"row {line}, column mpp: {text!r} is not a positive number of um/px; write it like 0.25"]
