"""One part of a run that is cut into several, as its name on the command line says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from histoquant.errors import UsageError


@dataclass(frozen=True)
class Shard:
    """One of several parts of a run.

    Attributes
    ----------
    number, count : int
        The ``number``-th of ``count``, from 1.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``2/8``.

        Raises
        ------
        UsageError
            If the text is no such pair.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UsageError(f"--shard {text}: expected NUMBER/COUNT from 1/COUNT to COUNT/COUNT, as in 2/8.")
        return cls(int(match[1]), int(match[2]))

    @property
    def name(self) -> str:
        """For files of this shard."""
        return f"{self.number}-of-{self.count}"

    def takes(self, place: int) -> bool:
        """Whether the slide at this place in the order of work, from 0, is this shard's."""
        return place % self.count == self.number - 1
