"""Whose slide this is: the table first, then the name, then ``--marker``; disagreements are said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from histoquant.study.patterns import FIELDS, NameParts, known_marker, marker_key, parse_name, slide_stem
from histoquant.study.rules import did_you_mean
from histoquant.study.slide_ids import safe_id, unique_ids
from histoquant.study.slide_table import SlideRow
from histoquant.study.study_file import Study


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a slide's identity that its reader should know.

    Attributes
    ----------
    code : str
        Flag for the slide's row, for example ``"MARKER_CONFLICT"``.
    message : str
        The same in words, with the way out.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SlideIdentity:
    """What is known about a slide before it is opened. None means not known.

    Attributes
    ----------
    slide_id : str
        ASCII, unique in the run, safe as a folder name.
    patient, tract, timepoint, marker, section, block, batch, clone : str or None
    month : float or None
        Month of a declared timepoint.
    study_mpp : float or None
        um/px that the slide table gives.
    control : str or None
        ``positive`` or ``negative`` where the slide table calls the slide a control.
    sha256 : str or None
        Digest that the slide table expects.
    source : str
        Where it came from: ``table``, ``pattern``, ``name``, ``option`` joined by ``+``, or ``none``.
    notes : tuple of Note
    """

    slide_id: str
    patient: str | None = None
    tract: str | None = None
    timepoint: str | None = None
    month: float | None = None
    marker: str | None = None
    section: str | None = None
    block: str | None = None
    batch: str | None = None
    clone: str | None = None
    study_mpp: float | None = None
    control: str | None = None
    sha256: str | None = None
    source: str = "none"
    notes: tuple[Note, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """Codes of the notes, each once, in order."""
        return tuple(dict.fromkeys(note.code for note in self.notes))


@dataclass(frozen=True, slots=True)
class MissingSlide:
    """A slide that the table lists and the disk does not hold: a row with status FAILED, reason NOT_FOUND.

    Attributes
    ----------
    path : Path
        Where it should lie.
    identity : SlideIdentity
    message : str
        Which row of which table, and the way out.
    """

    path: Path
    identity: SlideIdentity
    message: str


def identify(
    path: Path | str,
    study: Study | None = None,
    marker_option: str | None = None,
    *,
    known_markers: Iterable[str] = (),
    slide_id: str | None = None,
) -> SlideIdentity:
    """Tell what is known about one slide.

    Parameters
    ----------
    path : Path or str
        The slide; it is not opened.
    study : Study, optional
    marker_option : str, optional
        ``--marker``: fills a gap, never overrides the table or the name. Default: the study's ``[run]
        marker``.
    known_markers : iterable of str
        Canonical marker names.
    slide_id : str, optional
        From `identify_slides`. Default: from this name alone, which another slide may share.

    Returns
    -------
    SlideIdentity
    """
    path = Path(path)
    row = study.table.find(path) if study is not None and study.table is not None else None
    return _identity(
        path, row, study, marker_option, tuple(known_markers), slide_id or safe_id(slide_stem(path))
    )


def identify_slides(
    paths: Sequence[Path],
    study: Study | None = None,
    marker_option: str | None = None,
    *,
    known_markers: Iterable[str] = (),
) -> tuple[dict[Path, SlideIdentity], tuple[MissingSlide, ...]]:
    """Tell what is known about all slides of a run, with ids that no two share.

    Parameters
    ----------
    paths : sequence of Path
        The run's slides; order does not matter.
    study, marker_option, known_markers
        See `identify`.

    Returns
    -------
    slides : dict of Path to SlideIdentity
        In the order of ``paths``.
    missing : tuple of MissingSlide
        Rows of the slide table whose slide is neither among ``paths`` nor on disk, in table order.

    Raises
    ------
    StudyError
        If one row of the table fits two slides.
    """
    known = tuple(known_markers)
    table = study.table if study is not None else None
    rows = table.match(paths) if table is not None else {}
    absent = (
        [row for row in table.rows if row not in rows.values() and not row.path.exists()] if table else []
    )
    ids = unique_ids([*paths, *(row.path for row in absent)], study.folder if study is not None else None)
    slides = {path: _identity(path, rows.get(path), study, marker_option, known, ids[path]) for path in paths}
    missing = tuple(
        MissingSlide(
            row.path,
            _identity(row.path, row, study, marker_option, known, ids[row.path]),
            f"{table.name if table else ''}: row {row.line}: {row.slide!r} is not in the study folder."
            f"{did_you_mean(row.slide, [path.name for path in paths if path not in rows], 0.9)} "
            "Copy the slide there, correct its name, or remove the row.",
        )
        for row in absent
    )
    return slides, missing


def _identity(
    path: Path,
    row: SlideRow | None,
    study: Study | None,
    option: str | None,
    known: tuple[str, ...],
    slide_id: str,
) -> SlideIdentity:
    labels = [point.label for point in study.timepoints] if study is not None else []
    pattern = study.design.slides.pattern if study is not None else None
    parts = parse_name(slide_stem(path), pattern, known, labels)
    if option is None and study is not None:
        option = study.run.marker
    listed = _listed(row, known)
    notes = [
        Note("NAME_UNREADABLE", f"{path.name}: {text}") for text in parts.notes if "marker" not in listed
    ]
    if row is not None:
        notes += _conflicts(path, listed, parts)
    said = {**_fills(parts, row), **listed}
    source = _source(listed, said, parts)
    if option is not None:
        notes += _option_notes(path, said, option, known)
        if "marker" not in said:
            said["marker"], source = known_marker(option, known) or option, [*source, "option"]
    notes += _declared(path, said, labels, known)
    return SlideIdentity(
        slide_id,
        **said,
        month=study.month(said.get("timepoint")) if study is not None else None,
        study_mpp=row.mpp if row is not None else None,
        control=row.control if row is not None else None,
        sha256=row.sha256 if row is not None else None,
        source="+".join(source) or "none",
        notes=tuple(notes),
    )


def _listed(row: SlideRow | None, known: tuple[str, ...]) -> dict[str, str]:
    if row is None:
        return {}
    names = {part.name for part in fields(row)} & set(FIELDS)
    listed = {name: text for name in FIELDS if name in names and (text := getattr(row, name)) is not None}
    if "marker" in listed:
        listed["marker"] = known_marker(listed["marker"], known) or listed["marker"]
    return listed


def _fills(parts: NameParts, row: SlideRow | None) -> Mapping[str, str]:
    """A listed slide takes from its name only what is certain: a whole pattern, or the marker."""
    if row is None or parts.kind == "pattern":
        return parts.fields
    return {name: text for name, text in parts.fields.items() if name == "marker"}


def _source(listed: Mapping[str, str], said: Mapping[str, str], parts: NameParts) -> list[str]:
    source = ["table"] if listed else []
    if set(said) - set(listed):
        source.append("pattern" if parts.kind == "pattern" else "name")
    return source


def _conflicts(path: Path, listed: Mapping[str, str], parts: NameParts) -> list[Note]:
    compared = ("patient", "tract", "timepoint", "marker") if parts.kind == "pattern" else ("marker",)
    notes = []
    for name in compared:
        by_table, by_name = listed.get(name), parts.fields.get(name)
        if by_table and by_name and by_table.casefold() != by_name.casefold():
            code = "MARKER_CONFLICT" if name == "marker" else "IDENTITY_CONFLICT"
            notes.append(
                Note(
                    code,
                    f"{path.name}: the slide table says {name} {by_table!r}, the name says {by_name!r}; "
                    "the table is used. Check that the slide was not swapped.",
                )
            )
    return notes


def _option_notes(path: Path, said: Mapping[str, str], option: str, known: tuple[str, ...]) -> list[Note]:
    marker = said.get("marker")
    if marker is None or marker_key(known_marker(option, known) or option) == marker_key(marker):
        return []
    return [
        Note(
            "MARKER_CONFLICT",
            f"{path.name}: is {marker!r} by its table row or name, --marker says {option!r}; {marker!r} "
            "is used. Correct the row or the name if the option is right.",
        )
    ]


def _declared(
    path: Path, said: Mapping[str, str], labels: Sequence[str], known: tuple[str, ...]
) -> list[Note]:
    notes = []
    timepoint, marker = said.get("timepoint"), said.get("marker")
    if timepoint is not None and labels and timepoint not in labels:
        notes.append(
            Note(
                "TIMEPOINT_NOT_DECLARED",
                f"{path.name}: timepoint {timepoint!r} has no [[timepoints]] entry in study.toml (declared: "
                f"{', '.join(labels)}). Add it, or correct the name.",
            )
        )
    if marker is not None and known and known_marker(marker, known) is None:
        notes.append(
            Note(
                "UNKNOWN_MARKER",
                f"{path.name}: marker {marker!r} is not known.{did_you_mean(marker, known)} "
                f"Known: {', '.join(known)}.",
            )
        )
    return notes
