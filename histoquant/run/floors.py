"""Libraries with known holes: which versions are safe, and what to say of others."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import openslide
from packaging.version import InvalidVersion, Version

from histoquant.errors import UsageError


@dataclass(frozen=True)
class Floor:
    """The first version of a library without a known hole.

    Attributes
    ----------
    library : str
    least : str
    hole : str
        What older versions allow, with its number.
    """

    library: str
    least: str
    hole: str


OPENSLIDE: Final = Floor(
    "OpenSlide", "4.0.1", "a crafted Ventana BIF file can overwrite memory (CVE-2026-48977)"
)
DISTRIBUTED: Final = Floor(
    "distributed", "2026.1.0", "its dashboard can be made to run foreign code (CVE-2026-23528)"
)


def is_below(floor: Floor, found: str | None) -> bool:
    """Whether an installed version is older than the floor; a version that is no version is."""
    if found is None:
        return False
    try:
        return Version(found) < Version(floor.least)
    except InvalidVersion:
        return True


def installed(floor: Floor) -> str | None:
    """Version in use, or None where the library is not installed."""
    if floor is OPENSLIDE:
        return str(openslide.__library_version__)
    try:
        return version(floor.library)
    except PackageNotFoundError:
        return None


def check_floors(scheduler: str | None) -> list[str]:
    """Compare what is installed with the floors.

    Parameters
    ----------
    scheduler : str or None
        Address of the user's cluster, where there is one.

    Returns
    -------
    list of str
        One warning per library that is too old.

    Raises
    ------
    UsageError
        If a cluster is to be used with a Dask that lets others in.
    """
    warnings = []
    for floor in (OPENSLIDE, DISTRIBUTED):
        found = installed(floor)
        if not is_below(floor, found):
            continue
        text = f"{floor.library} {found} is installed: {floor.hole}. Install {floor.least} or newer."
        if floor is DISTRIBUTED and scheduler is not None:
            raise UsageError(f"--scheduler {scheduler}: {text}")
        warnings.append(text)
    return warnings
