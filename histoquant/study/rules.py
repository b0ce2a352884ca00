"""What names, cells and paths a study may hold: the one place that says no."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

# 64 characters fit every file system beside a suffix; a first "-" would be a formula in a spreadsheet and a
# first "." a hidden or parent folder.
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
ID_RULE = "letters A-Z a-z, digits, '.', '_' and '-', at most 64, not beginning with '.' or '-'"

# Words that tell what a patient was given or how the patient fared; the reading of slides must not know them.
_UNBLINDING_WORDS = frozenset(
    [
        "allocation",
        "allocated",
        "arm",
        "arms",
        "closed",
        "closure",
        "group",
        "groups",
        "healed",
        "healing",
        "outcome",
        "outcomes",
        "placebo",
        "randomisation",
        "randomised",
        "randomization",
        "randomized",
        "remission",
        "responder",
        "response",
        "responses",
        "treated",
        "treatment",
        "treatments",
    ]
)
UNBLINDING_CURE = (
    "Slides are read blind, so this does not belong here: put it in a file of its own for "
    "`histoquant study OUT --outcomes FILE`, which joins it after unblinding"
)

_DRIVE = re.compile(r"[A-Za-z]:")
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|COM\d|LPT\d)(\..*)?", re.IGNORECASE)


def is_id(text: str) -> bool:
    """Whether ``text`` may name a patient, tract, timepoint, marker, section, block, batch or clone."""
    return _ID.fullmatch(text) is not None


def is_unblinding(word: str) -> bool:
    """Whether a column or key would tell the arm or the outcome."""
    return not _UNBLINDING_WORDS.isdisjoint(re.split(r"[^a-z]+", word.strip().lower()))


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known word, or an empty string when none is near."""
    by_key = {key.lower().replace("_", "-"): key for key in known}
    near = difflib.get_close_matches(word.lower().replace("_", "-"), by_key, n=1, cutoff=cutoff)
    return f" Did you mean {by_key[near[0]]!r}?" if near else ""


def comparable(text: str) -> str:
    """Return ``text`` in Unicode normal form C: macOS and Linux write the same file name differently."""
    return unicodedata.normalize("NFC", text)


def path_below(folder: Path, text: str) -> Path:
    r"""Resolve a path written in a study file, provided that it stays below the study folder.

    Parameters
    ----------
    folder : Path
        The study folder.
    text : str
        A file name or relative path, with ``/`` or ``\`` between folders.

    Returns
    -------
    Path
        Absolute path; nothing needs to lie there.

    Raises
    ------
    ValueError
        With a one-line reason: empty, control characters, absolute, drive or network path, address, ``..``,
        device name, a link that leads out of the folder, or neither file nor folder.
    """
    parts = text.replace("\\", "/").split("/")
    if not text.strip() or any(unicodedata.category(char) == "Cc" for char in text):
        raise ValueError("is empty or has control characters; write a file name")
    if "://" in text or parts[0] == "" or parts[0].startswith("~") or _DRIVE.match(text):
        raise ValueError("is an absolute path or an address; write it relative to the study folder")
    if ".." in [part.strip() for part in parts]:
        raise ValueError("climbs out with '..'; only files below the study folder may be named")
    if any(_DEVICE.fullmatch(part) for part in parts):
        raise ValueError("is the name of a device; rename the file")
    root = folder.resolve()
    try:
        path = root.joinpath(*parts).resolve()
        odd = path.exists() and not (path.is_file() or path.is_dir())
    except (OSError, RuntimeError):
        raise ValueError("cannot be looked up (a loop of links, or a name that is too long)") from None
    if not path.is_relative_to(root) or path == root:
        raise ValueError(
            "leads out of the study folder through a link; move or copy the file into the folder"
        )
    if odd:
        raise ValueError("is neither a file nor a folder")
    return path
