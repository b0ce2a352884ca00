"""Parts of a slide that cannot be decoded and that the user lets pass: read as not there, and counted."""

from __future__ import annotations

from dataclasses import dataclass, field

Window = tuple[int, int, int, int]
"""Level-0 x, y, width, height."""


@dataclass
class Unread:
    """What may be missing from a slide, and what was.

    A window that may be missing reads as white and invalid, as one that the scanner left out.

    Parameters
    ----------
    known : frozenset of Window or None
        Windows that were missing when the slide was planned; no other may be missing later, or a file that
        fails now and then would give numbers that change. None while planning: any may.

    Attributes
    ----------
    found : dict of Window to str
        Each missing window with its decoder's reason, in the order met.
    """

    known: frozenset[Window] | None = None
    found: dict[Window, str] = field(default_factory=dict)

    def passes(self, window: Window, reason: str) -> bool:
        """Note a window that cannot be decoded; whether it may be missing."""
        if self.known is not None and window not in self.known:
            return False
        self.found.setdefault(window, reason)
        return True

    @property
    def pixels(self) -> int:
        """Level-0 pixels that are missing; windows do not overlap."""
        return sum(width * height for _, _, width, height in self.found)
