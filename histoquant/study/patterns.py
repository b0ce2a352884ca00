"""Identity from a slide's name: the declared pattern, the default one, or just a marker in the name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from histoquant.study.rules import ID_RULE, is_id

DEFAULT_PATTERN = "{patient}_{tract}_{timepoint}_{marker}"
FIELDS = ("patient", "tract", "timepoint", "marker", "section", "block", "batch", "clone")
_IGNORED = "ignore"
_BRACES = re.compile(r"\{([^{}]*)\}")
_SEPARATORS = re.compile(r"[\s_\-.]+")
_SECTION = re.compile(r"(?:s|sec|section)\d{1,4}", re.IGNORECASE)
# Endings that are a file format and not a part of the name; "P01.2" keeps its ".2".
_ENDINGS = re.compile(
    r"(\.ome)?\.(svs|tiff?|btf|tf[28]|ndpi|vms|vmu|scn|mrxs|svslide|bif|dcm|czi|qptiff|isyntax|zarr|"
    r"png|jpe?g|jp2|j2k|bmp|webp)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class NameParts:
    """What a name says.

    Attributes
    ----------
    fields : Mapping of str to str
        Some of `FIELDS`.
    kind : str
        ``"pattern"`` (the whole pattern), ``"short"`` (patient, tract or timepoint, marker), ``"marker"`` (a
        marker only) or ``"none"``.
    notes : tuple of str
        What in the name could not be used, and why.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    kind: str = "none"
    notes: tuple[str, ...] = ()


def slide_stem(path: Path) -> str:
    """Return the name of a slide without its ending: ``P03.ome.tif`` and ``P03/`` are both ``P03``."""
    return _ENDINGS.sub("", path.name) or path.name


def marker_key(name: str) -> str:
    """Reduce a marker's name to what people agree on: ``H&E`` and ``he``, ``CD-68`` and ``cd68`` are one."""
    return re.sub(r"[\W_]+", "", name).casefold()


def known_marker(name: str, known_markers: Iterable[str]) -> str | None:
    """Return the known marker that ``name`` means, or None."""
    wanted = marker_key(name)
    return (
        next((marker for marker in known_markers if marker_key(marker) == wanted), None) if wanted else None
    )


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that cannot be read without guessing.

    Raises
    ------
    ValueError
        For unknown or repeated fields, none at all, a stray brace, or two fields with nothing between them.
    """
    names = _BRACES.findall(pattern)
    known = ", ".join(f"{{{name}}}" for name in (*FIELDS, _IGNORED))
    unknown = [name for name in names if name not in (*FIELDS, _IGNORED)]
    if unknown or not set(names) - {_IGNORED}:
        raise ValueError(f"pattern {pattern!r} needs fields among {known}, and no others")
    if any(names.count(name) > 1 for name in FIELDS):
        raise ValueError(f"pattern {pattern!r} names a field twice")
    literals = _BRACES.split(pattern)[::2]
    if any("{" in text or "}" in text for text in literals):
        raise ValueError(f"pattern {pattern!r} has a stray brace")
    if any(not text for text in literals[1:-1]):
        raise ValueError(
            f"pattern {pattern!r} has two fields with nothing between them; put '_' or '-' there"
        )


@lru_cache(maxsize=32)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Build the expression: a field holds anything but the characters that separate this pattern's fields."""
    check_pattern(pattern)
    pieces = _BRACES.split(pattern)
    separators = "".join(sorted(set(re.sub(r"[^\s_\-.]", "", "".join(pieces[::2]))))) or "_"
    token = f"[^{re.escape(separators)}/\\\\]+"
    expression = ""
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            expression += re.escape(piece)
        else:
            expression += token if piece == _IGNORED else f"(?P<{piece}>{token})"
    return re.compile(rf"{expression}(?:[\s_\-.]+(?P<rest>.+))?", re.IGNORECASE)


def parse_name(
    stem: str, pattern: str | None, known_markers: Iterable[str], timepoints: Iterable[str] = ()
) -> NameParts:
    """Read a slide's identity from its name.

    Parameters
    ----------
    stem : str
        Name without its ending, see `slide_stem`.
    pattern : str or None
        The study's pattern; None tries `DEFAULT_PATTERN`, believed only when its last field is a known
        marker.
    known_markers : iterable of str
        Canonical marker names; matched without regard to case or punctuation.
    timepoints : iterable of str
        Declared labels; they tell a timepoint from a tract in ``P03_M2_CD68`` and give a label its declared
        case.

    Returns
    -------
    NameParts
    """
    known, labels = tuple(known_markers), tuple(timepoints)
    if pattern is not None:
        found = _by_pattern(stem, pattern, known, labels)
        return found if found is not None else _marker_only(stem, known)
    return _by_default(stem, known, labels) or _marker_only(stem, known)


def _by_pattern(stem: str, pattern: str, known: tuple[str, ...], labels: tuple[str, ...]) -> NameParts | None:
    match = _compiled(pattern).fullmatch(stem)
    if match is None:
        return None
    said = {name: text for name, text in match.groupdict().items() if name != "rest" and text}
    if "marker" in said:
        said["marker"] = known_marker(said["marker"], known) or said["marker"]
    if "section" not in said and (section := _section(match["rest"])):
        said["section"] = section
    return _checked(said, "pattern", labels)


def _by_default(stem: str, known: tuple[str, ...], labels: tuple[str, ...]) -> NameParts | None:
    """Believe the default pattern only where a marker stands: else any ``a_b_c_d`` would be a patient."""
    tokens = stem.split("_")
    places = [place for place, token in enumerate(tokens) if known_marker(token, known)]
    if places not in ([2], [3]) or not all(tokens[: places[0]]):
        return None
    place = places[0]
    said = {"patient": tokens[0], "marker": known_marker(tokens[place], known) or ""}
    if place == 3:
        said |= {"tract": tokens[1], "timepoint": tokens[2]}
    else:
        is_timepoint = tokens[1].casefold() in {label.casefold() for label in labels}
        said["timepoint" if is_timepoint else "tract"] = tokens[1]
    if section := _section("_".join(tokens[place + 1 :])):
        said["section"] = section
    return _checked(said, "pattern" if place == 3 else "short", labels)


def _checked(said: dict[str, str], kind: str, labels: tuple[str, ...]) -> NameParts:
    bad = {name: text for name, text in said.items() if not is_id(text)}
    if bad:
        name, text = next(iter(bad.items()))
        note = (
            f"the name gives {name} {text!r}, which cannot be used (allowed: {ID_RULE}); identity left empty"
        )
        marker = {"marker": said["marker"]} if "marker" in said and "marker" not in bad else {}
        return NameParts(marker, "marker" if marker else "none", (note,))
    declared = {label.casefold(): label for label in labels}
    if "timepoint" in said:
        said["timepoint"] = declared.get(said["timepoint"].casefold(), said["timepoint"])
    return NameParts(said, kind)


def _marker_only(stem: str, known: tuple[str, ...]) -> NameParts:
    found = {marker for token in _SEPARATORS.split(stem) if (marker := known_marker(token, known))}
    if len(found) > 1:
        return NameParts(
            notes=(f"the name holds several markers ({', '.join(sorted(found))}); none is taken",)
        )
    return NameParts({"marker": found.pop()}, "marker") if found else NameParts()


def _section(rest: str | None) -> str | None:
    tokens = _SEPARATORS.split(rest or "")
    return next((token for token in tokens if _SECTION.fullmatch(token)), None)
