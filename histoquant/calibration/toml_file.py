"""Calibration files: TOML that a person can read, the same bytes for the same content, checked when read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from histoquant.calibration.model import FORMAT, FORMAT_VERSION, Calibration, ControlSlide, Lock
from histoquant.errors import CalibrationError
from histoquant.study.rules import did_you_mean

_HEAD = """\
# Stain calibration: what `histoquant run --calibration` reads slides with. Made by `histoquant calibrate`.
# One [[lock]] per marker and batch, each choice with its reason; [[control]] lists the slides behind them.
# A slide of a batch without a lock takes its marker's batch "default", if there is one.
"""
_AGAIN = "Make the file again with `histoquant calibrate`."


def toml_text(calibration: Calibration) -> str:
    """Write a calibration as TOML.

    Parameters
    ----------
    calibration : Calibration

    Returns
    -------
    str
        Keys in the order of the models; absent values and empty texts are left out, because TOML has no null.
    """
    top = calibration.model_dump(mode="json", exclude={"lock", "control"})
    parts = [_HEAD, _pairs(top)]
    for name in ("lock", "control"):
        for entry in getattr(calibration, name):
            said = entry.model_dump(mode="json", exclude_none=True)
            parts.append(f"[[{name}]]\n{_pairs({key: value for key, value in said.items() if value != ''})}")
    return "\n".join(parts)


def _pairs(values: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # JSON's strings and numbers are TOML's, but for the one control character JSON leaves as it is
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def read_calibration(path: Path) -> Calibration:
    """Read and check a calibration file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Calibration

    Raises
    ------
    CalibrationError
        Naming file, entry, key and cure.
    """
    try:
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        why = error.strerror or "cannot be read"
        raise CalibrationError(
            f"{path}: {why}. Name a file that `histoquant calibrate` has written."
        ) from None
    except UnicodeDecodeError:
        raise CalibrationError(f"{path.name}: not UTF-8 text. {_AGAIN}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CalibrationError(f"{path.name}: not valid TOML: {error}. {_AGAIN}") from None
    if content.get("format") != FORMAT:
        raise CalibrationError(
            f"{path.name}: no calibration file: format is {content.get('format')!r}, not {FORMAT!r}. "
            "Name a file that `histoquant calibrate` has written."
        )
    if content.get("format_version") != FORMAT_VERSION:
        raise CalibrationError(
            f"{path.name}: format_version: {content.get('format_version')!r}; this histoquant reads "
            f"{FORMAT_VERSION}. {_AGAIN}"
        )
    try:
        return Calibration.model_validate(content)
    except ValidationError as error:
        raise CalibrationError(f"{path.name}: {_explained(error)}") from None


def _explained(error: ValidationError) -> str:
    """Each fault: entry, key, what is wrong; and the way out once."""
    found = error.errors()
    # a list whose entries fail counts as too short as well
    own = [item for item in found if item["type"] != "too_short"] or found
    faults = [_fault(item["loc"], item["type"], item["msg"]) for item in own[:5]]
    return f"{' '.join(faults)} Correct it, or make the file again with `histoquant calibrate`."


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    names = [str(part) for part in location if isinstance(part, str)]
    number = next((part + 1 for part in location if isinstance(part, int)), None)
    models: dict[str, type[BaseModel]] = {"lock": Lock, "control": ControlSlide}
    inside = number is not None and names and names[0] in models
    where = f"[[{names[0]}]] {number} {'.'.join(names[1:])}".rstrip() if inside else ".".join(names)
    where = f"{where}: " if where else ""
    if kind == "extra_forbidden":
        model = models[names[0]] if inside else Calibration
        return f"{where}unknown key.{did_you_mean(names[-1], model.model_fields)}"
    said = message.removeprefix("Value error, ")
    return f"{where}{said[:1].lower()}{said[1:]}."
