"""Micrometres per pixel: found, checked, or asked for; never guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from histoquant.errors import SlideRefusedError

PLAUSIBLE_UM_PX: Final = (0.05, 2.0)  # 100x oil with a small camera pixel ... 5x; slide scanners lie at 0.1-1
AGREE: Final = 1.10  # two statements further apart than 10 % are two different objectives or a wrong unit
CONFLICT: Final = 1.5  # below an inch for a centimetre (2.54) and one objective for the next (2)
# 10 um divided by the objective's power is nominal; camera adapters and small camera pixels shift it by up to
# 2.1 (20x at 0.23 to 0.25 um/px is sold), no optics by more.
NOMINAL_UM: Final = 10.0
OBJECTIVE_REFUSE: Final = 3.0
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
        ``MPP_DISAGREES``, ``MPP_OVERRIDDEN``, ``OBJECTIVE_DISAGREES``, ``ANISOTROPIC``.
    """

    mpp_xy: tuple[float, float]
    source: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Stated:
    """What a file says of its resolution.

    Parameters
    ----------
    sizes : tuple of Candidate
        Most trusted first.
    ignored : tuple of Candidate
        Print densities of photographs: mentioned when nothing else is left, never used.
    objective_power : float or None
        Magnification of the objective; compared, never turned into a resolution.
    """

    sizes: tuple[Candidate, ...] = ()
    ignored: tuple[Candidate, ...] = ()
    objective_power: float | None = None


def settle(name: str, stated: Stated, *, mpp: float | None, study_mpp: float | None) -> Resolution:
    """Choose the resolution of a slide.

    Parameters
    ----------
    name : str
        File name for messages.
    stated : Stated
        What the file says.
    mpp, study_mpp : float or None
        What the user says: on the command line, in the study table (which is asked first).

    Returns
    -------
    Resolution
        The first plausible statement of the file; where the file contradicts itself, the one that the user
        confirms; without any, the user's.

    Raises
    ------
    SlideRefusedError
        ``NO_MPP``, ``MPP_IMPLAUSIBLE``, ``MPP_CONFLICT`` or ``NOT_SQUARE``.
    """
    users = [
        _user_value(name, source, value)
        for source, value in ((STUDY_SOURCE, study_mpp), (OPTION_SOURCE, mpp))
        if value is not None
    ]
    plausible = [candidate for candidate in stated.sizes if candidate.plausible]
    if not plausible and not users:
        raise _missing(name, stated)
    flags = []
    if not plausible and stated.sizes:
        flags.append("MPP_OVERRIDDEN")
    chosen = _chosen(name, plausible, users)
    if any(_apart(chosen, other, AGREE) for other in (*plausible, *users)):
        flags.append("MPP_DISAGREES")
    if _objective_disagrees(name, chosen, stated.objective_power):
        flags.append("OBJECTIVE_DISAGREES")
    if _oblong(name, chosen):
        flags.append("ANISOTROPIC")
    return Resolution((chosen.x_um, chosen.y_um), chosen.source, tuple(flags))


def _chosen(name: str, plausible: list[Candidate], users: list[Candidate]) -> Candidate:
    """The statement in force; the file's own must not contradict each other, nor the slide table."""
    if not plausible:
        return users[0]
    first = plausible[0]
    against = [other for other in plausible if _apart(first, other, CONFLICT)]
    if against:
        confirmed = (one for user in users[:1] for one in plausible if not _apart(one, user, AGREE))
        if (found := next(confirmed, None)) is not None:
            return found
    else:
        # --mpp is for the files of a run that do not say; a row of the table is about this very slide
        against = [user for user in users if user.source == STUDY_SOURCE and _apart(first, user, CONFLICT)]
    if against:
        raise SlideRefusedError(
            "MPP_CONFLICT",
            f"{name}: {'; '.join(map(str, (first, *against)))}: more than a factor of {CONFLICT:g} apart, so "
            "one of them is wrong. State the true one in the mpp column of the slide table, or export the "
            "slide again.",
        )
    return first


def _objective_disagrees(name: str, chosen: Candidate, power: float | None) -> bool:
    """Whether the objective makes pixels of another size; refused where no adapter can explain it."""
    if power is None:
        return False
    nominal = Candidate(f"objective {power:g}x", NOMINAL_UM / power, NOMINAL_UM / power)
    if _apart(chosen, nominal, OBJECTIVE_REFUSE) and chosen.source not in (STUDY_SOURCE, OPTION_SOURCE):
        raise SlideRefusedError(
            "MPP_CONFLICT",
            f"{name}: {chosen}, but a {power:g}x objective makes about {nominal.x_um:.3g} um/px, so one of "
            "them is wrong. Export the slide again with its true resolution.",
        )
    return _apart(chosen, nominal, CONFLICT)


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


def _apart(one: Candidate, other: Candidate, factor: float) -> bool:
    ratio = one.mean_um / other.mean_um
    return ratio > factor or ratio < 1 / factor


def _missing(name: str, stated: Stated) -> SlideRefusedError:
    if not stated.sizes:
        where = "looked in scanner properties, OME-XML and resolution tags"
        if stated.ignored:
            where = "; ".join(f"{candidate}, which is a setting for printing" for candidate in stated.ignored)
        return SlideRefusedError(
            "NO_MPP", f"{name}: no micrometres per pixel in the file ({where}). {WAY_OUT}"
        )
    low, high = PLAUSIBLE_UM_PX
    found = "; ".join(str(candidate) for candidate in stated.sizes)
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
        value = math.nan if "_" in text else float(text.strip().replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
