"""Micrometres per pixel: found, checked, or asked for; never guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from histoquant.errors import SlideRefusedError

PLAUSIBLE_UM_PX: Final = (0.05, 2.0)  # 100x oil with a small camera pixel ... 5x; slide scanners lie at 0.1-1
AGREE: Final = 1.10  # two statements further apart than 10 % are two different objectives or a wrong unit
SQUARE_FLAG: Final = 1.01
SQUARE_REFUSE: Final = 1.05
WAY_OUT: Final = "Pass --mpp or add a mpp column to the slide table."

STUDY_SOURCE: Final = "study table"
OPTION_SOURCE: Final = "option --mpp"


@dataclass(frozen=True)
class Candidate:
    """A resolution stated somewhere in a file.

    Parameters
    ----------
    source : str
        Where, in words that go into the table.
    x_um, y_um : float
        Micrometres per pixel as stated; may be absurd.
    """

    source: str
    x_um: float
    y_um: float

    @property
    def mean_um(self) -> float:
        """Mean of x and y."""
        return (self.x_um + self.y_um) / 2

    @property
    def plausible(self) -> bool:
        """Whether a microscope can have taken pixels of this size."""
        low, high = PLAUSIBLE_UM_PX
        return all(math.isfinite(v) and low <= v <= high for v in (self.x_um, self.y_um))

    def __str__(self) -> str:
        if math.isclose(self.x_um, self.y_um, rel_tol=1e-3):
            return f"{self.x_um:.4g} um/px from {self.source}"
        return f"{self.x_um:.4g} x {self.y_um:.4g} um/px from {self.source}"


@dataclass(frozen=True)
class Resolution:
    """The resolution in force.

    Parameters
    ----------
    mpp_xy : tuple of float
        Micrometres per level-0 pixel.
    source : str
        Where it came from.
    flags : tuple of str
        ``MPP_DISAGREES``, ``MPP_OVERRIDDEN``, ``ANISOTROPIC``.
    """

    mpp_xy: tuple[float, float]
    source: str
    flags: tuple[str, ...]


def settle(
    name: str,
    stated: list[Candidate],
    *,
    mpp: float | None,
    study_mpp: float | None,
    ignored: tuple[Candidate, ...] = (),
) -> Resolution:
    """Choose the resolution of a slide.

    Parameters
    ----------
    name : str
        File name for messages.
    stated : list of Candidate
        What the file says, most trusted first.
    mpp, study_mpp : float or None
        What the user says: on the command line, in the study table (which is asked first).
    ignored : tuple of Candidate
        Print densities of photographs: mentioned when nothing else is left, never used.

    Returns
    -------
    Resolution
        The first plausible statement of the file; without one the user's.

    Raises
    ------
    SlideRefusedError
        ``NO_MPP``, ``MPP_IMPLAUSIBLE`` or ``NOT_SQUARE``.
    """
    users = [
        _user_value(name, source, value)
        for source, value in ((STUDY_SOURCE, study_mpp), (OPTION_SOURCE, mpp))
        if value is not None
    ]
    plausible = [candidate for candidate in stated if candidate.plausible]
    if not plausible and not users:
        raise _missing(name, stated, ignored)
    flags = []
    if not plausible and stated:
        flags.append("MPP_OVERRIDDEN")
    chosen, *others = [*plausible, *users]
    if any(_apart(chosen, other) for other in others):
        flags.append("MPP_DISAGREES")
    if _oblong(name, chosen):
        flags.append("ANISOTROPIC")
    return Resolution((chosen.x_um, chosen.y_um), chosen.source, tuple(flags))


def _oblong(name: str, chosen: Candidate) -> bool:
    """Whether pixels deviate from squares enough to say so; too much is refused."""
    ratio = max(chosen.x_um, chosen.y_um) / min(chosen.x_um, chosen.y_um)
    if ratio > SQUARE_REFUSE:
        raise SlideRefusedError(
            "NOT_SQUARE",
            f"{name}: pixels are not square: {chosen}. Resample the image to square pixels first.",
        )
    return ratio > SQUARE_FLAG


def _user_value(name: str, source: str, value: float) -> Candidate:
    candidate = Candidate(source, float(value), float(value))
    if not candidate.plausible:
        low, high = PLAUSIBLE_UM_PX
        raise SlideRefusedError(
            "MPP_IMPLAUSIBLE",
            f"{name}: {candidate}; a slide has {low:g} to {high:g}. Give micrometres (not nanometres or "
            "millimetres) per pixel.",
        )
    return candidate


def _apart(one: Candidate, other: Candidate) -> bool:
    ratio = one.mean_um / other.mean_um
    return ratio > AGREE or ratio < 1 / AGREE


def _missing(name: str, stated: list[Candidate], ignored: tuple[Candidate, ...]) -> SlideRefusedError:
    if not stated:
        where = "looked in scanner properties, OME-XML and resolution tags"
        if ignored:
            where = "; ".join(f"{candidate}, which is a setting for printing" for candidate in ignored)
        return SlideRefusedError(
            "NO_MPP", f"{name}: no micrometres per pixel in the file ({where}). {WAY_OUT}"
        )
    low, high = PLAUSIBLE_UM_PX
    found = "; ".join(str(candidate) for candidate in stated)
    return SlideRefusedError(
        "MPP_IMPLAUSIBLE", f"{name}: {found}, outside {low:g} to {high:g}, so no scanner wrote it. {WAY_OUT}"
    )


def from_density(source: str, x_per_unit: float, y_per_unit: float, unit_um: float) -> list[Candidate]:
    """Turn pixels per unit of length into a candidate; nothing when that is impossible.

    Parameters
    ----------
    source : str
        Where the density was found.
    x_per_unit, y_per_unit : float
        Pixels per unit.
    unit_um : float
        Length of the unit in micrometres.
    """
    if not (x_per_unit > 0 and y_per_unit > 0 and math.isfinite(x_per_unit) and math.isfinite(y_per_unit)):
        return []
    return [Candidate(source, unit_um / x_per_unit, unit_um / y_per_unit)]


def parse_number(text: str) -> float | None:
    """A positive finite number from text, with a decimal point or comma; None for anything else."""
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
