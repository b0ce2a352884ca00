"""Which slide gets which mask, in which order, and which come twice: drawn by chance alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from histoquant.errors import UsageError

# No vowels, no 0 1 I L O: a mask spells no word and is not misread aloud.
_LETTERS: Final = "BCDFGHJKMNPQRTVWX"
_SIGNS: Final = _LETTERS + "2345679"
_MASK_LENGTH: Final = 6
_TRIES: Final = 40
DUPLICATE_SHARE: Final = 0.125
"""In the middle of the 10 to 15 % that are usual for agreement of a reader with himself."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One slide as the drawing sees it.

    Attributes
    ----------
    slide_id : str
        Unmasked.
    biopsy : hashable
        Equal for slides of one biopsy, which must not follow each other.
    marker : str
        Duplicates are spread over markers.
    repeatable : bool
        Whether it may be shown twice; controls are not.
    """

    slide_id: str
    biopsy: Hashable
    marker: str
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Masked:
    """One place in the reading order.

    Attributes
    ----------
    masked_id : str
        Six letters and digits. Masks in alphabetical order are the reading order.
    slide_id : str
        Unmasked.
    reading : int
        1, or 2 for the later of the two places of a slide that is shown twice.
    """

    masked_id: str
    slide_id: str
    reading: int


@dataclass(frozen=True, slots=True)
class _Card:
    subject: Subject
    copy: int


def draw_masks(
    subjects: Sequence[Subject],
    seed: str,
    duplicate_share: float = DUPLICATE_SHARE,
    taken: frozenset[str] = frozenset(),
) -> tuple[Masked, ...]:
    """Draw masks, order and hidden duplicates.

    Parameters
    ----------
    subjects : sequence of Subject
        All slides; their order does not matter.
    seed : str
        Any text. The same text and slides give the same drawing; whoever knows it knows the drawing.
    duplicate_share : float
        Part of the repeatable slides that are shown a second time, 0 to 0.5.
    taken : frozenset of str
        Names that no mask may have, for example of markers.

    Returns
    -------
    tuple of Masked
        In reading order. Neighbours are of different biopsies and the two places of a slide lie at least a
        quarter of the list apart, as far as the slides allow; see `neighbours_alike`.

    Raises
    ------
    UsageError
        If the share is not between 0 and 0.5.
    """
    if not 0 <= duplicate_share <= 0.5:
        raise UsageError(f"--duplicates {duplicate_share:g}: expected a share from 0 to 0.5, such as 0.125.")
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()))
    known = sorted(subjects, key=lambda subject: subject.slide_id)
    cards = [_Card(subject, 1) for subject in known]
    cards += [_Card(subject, 2) for subject in _shown_twice(known, duplicate_share, rng)]
    order = _shuffled(cards, rng)
    masks = sorted(_masks(len(order), rng, taken))
    seen: set[str] = set()
    drawn = []
    for mask, card in zip(masks, order, strict=True):
        reading = 2 if card.subject.slide_id in seen else 1
        seen.add(card.subject.slide_id)
        drawn.append(Masked(mask, card.subject.slide_id, reading))
    return tuple(drawn)


def neighbours_alike(drawn: Sequence[Masked], subjects: Sequence[Subject]) -> int:
    """Count neighbours in reading order that come from one biopsy; 0 unless the slides leave no other way."""
    biopsy = {subject.slide_id: subject.biopsy for subject in subjects}
    places = [biopsy[one.slide_id] for one in drawn]
    return sum(a == b for a, b in pairwise(places))


def _shown_twice(known: Sequence[Subject], share: float, rng: np.random.Generator) -> list[Subject]:
    """Pick duplicates marker by marker in turn, so that each marker's agreement can be told."""
    by_marker: dict[str, list[Subject]] = {}
    for subject in known:
        if subject.repeatable:
            by_marker.setdefault(subject.marker, []).append(subject)
    piles = [[pile[i] for i in rng.permutation(len(pile))] for _, pile in sorted(by_marker.items())]
    piles = [piles[i] for i in rng.permutation(len(piles))]
    wanted = round(share * sum(map(len, piles)))
    if share > 0 and piles:
        wanted = max(1, wanted)
    picked: list[Subject] = []
    while len(picked) < wanted:
        for pile in piles:
            if pile and len(picked) < wanted:
                picked.append(pile.pop())
    return picked


def _masks(count: int, rng: np.random.Generator, taken: frozenset[str]) -> set[str]:
    masks: set[str] = set()
    while len(masks) < count:
        first = _LETTERS[int(rng.integers(len(_LETTERS)))]
        rest = "".join(_SIGNS[int(i)] for i in rng.integers(len(_SIGNS), size=_MASK_LENGTH - 1))
        if first + rest not in taken:
            masks.add(first + rest)
    return masks


def _shuffled(cards: Sequence[_Card], rng: np.random.Generator) -> list[_Card]:
    """Shuffle, then mend what lies badly by random exchanges; of several tries the best."""
    best: list[_Card] = []
    least = math.inf
    for _ in range(_TRIES):
        order = [cards[int(i)] for i in rng.permutation(len(cards))]
        faults = _mend(order, rng)
        if faults < least:
            best, least = order, faults
        if not faults:
            break
    return best


def _mend(order: list[_Card], rng: np.random.Generator) -> int:
    apart = len(order) // 4
    for _ in range(20):
        bad = [place for place in range(len(order)) if _faults(order, place, apart)]
        if not bad:
            return 0
        for place in bad:
            other = int(rng.integers(len(order)))
            before = _faults(order, place, apart) + _faults(order, other, apart)
            order[place], order[other] = order[other], order[place]
            if _faults(order, place, apart) + _faults(order, other, apart) > before:
                order[place], order[other] = order[other], order[place]
    return sum(_faults(order, place, apart) for place in range(len(order)))


def _faults(order: Sequence[_Card], place: int, apart: int) -> int:
    """How many neighbours are of the same biopsy, and whether the twin lies too near."""
    own = order[place].subject
    near = range(max(0, place - apart), min(len(order), place + apart + 1))
    alike = sum(order[i].subject.biopsy == own.biopsy for i in (place - 1, place + 1) if 0 <= i < len(order))
    return alike + sum(i != place and order[i].subject.slide_id == own.slide_id for i in near)
