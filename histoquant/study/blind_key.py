"""The key of a blinding: which mask is which slide. Written for its owner alone, read only to unblind."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from histoquant._version import __version__
from histoquant.errors import UsageError

_STRICT = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_DIGEST = r"^[0-9a-f]{64}$"


class KeyEntry(BaseModel):
    """One masked slide.

    Attributes
    ----------
    masked_id : str
    file : str
        Name in the blind folder: a file, or a folder of DICOM files.
    source : str
        Place of the original below the source folder, ``/`` between folders.
    slide_id : str
        Unmasked.
    reading : int
        1, or 2 for the second showing of a slide.
    sha256 : tuple of str
        Of the files that make up the masked slide, sorted.
    flags : tuple of str
        What was doubtful about the slide's identity.
    """

    model_config = _STRICT

    masked_id: str
    file: str
    source: str
    slide_id: str
    reading: Literal[1, 2]
    patient: str | None = None
    tract: str | None = None
    timepoint: str | None = None
    marker: str
    section: str | None = None
    block: str | None = None
    batch: str | None = None
    clone: str | None = None
    control: str | None = None
    flags: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()


class BlindKey(BaseModel):
    """The whole key.

    Attributes
    ----------
    made : str
        UTC time of blinding.
    source : str
        The folder that was blinded.
    study : str or None
        Its study file, absolute; months and the index come from there after unblinding.
    seed : str
        What the drawing was made from.
    salt : str
        Chance that keeps the key's published digest from being guessed even where the seed could be.
    duplicates : int
        Slides shown twice.
    neighbours_alike : int
        Neighbours of one biopsy that could not be parted.
    protocol : dict
        Parameters frozen before anything was read.
    protocol_sha256 : str
    entries : tuple of KeyEntry
        In reading order.
    """

    model_config = _STRICT

    format: Literal["histoquant-blinding-key"] = "histoquant-blinding-key"
    histoquant: str = __version__
    made: str
    source: str
    study: str | None = None
    seed: str
    salt: str = Field(default_factory=lambda: secrets.token_hex(32), pattern=_DIGEST)
    duplicates: int = Field(ge=0)
    neighbours_alike: int = Field(ge=0)
    protocol: dict[str, Any]
    protocol_sha256: str = Field(pattern=_DIGEST)
    entries: tuple[KeyEntry, ...]

    def encoded(self) -> bytes:
        """The bytes of the key file."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
        return (text + "\n").encode()


def read_key(path: Path) -> tuple[BlindKey, bytes]:
    """Read a key.

    Parameters
    ----------
    path : Path

    Returns
    -------
    key : BlindKey
    content : bytes
        The file as it is, for its digest.

    Raises
    ------
    UsageError
        If it cannot be read or is no key.
    """
    try:
        content = path.read_bytes()
        return BlindKey.model_validate_json(content), content
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Name the key after --key.") from None
    except ValidationError as error:
        what = f"{error.error_count()} faults, the first: {error.errors()[0]['msg']}"
        raise UsageError(f"{path}: is no whole blinding key ({what}). Restore it from its copy.") from None
