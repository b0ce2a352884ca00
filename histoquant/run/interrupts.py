"""Ctrl-C and SIGTERM end a run, wherever they arrive."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

_INTERRUPTING: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """SIGTERM ends a run as Ctrl-C does, so that what is done is kept and the lock is released.

    Either is remembered: raised inside a call back from compiled code, an exception is printed and lost, or
    comes out as another one that would be taken for the slide's.
    """

    def __init__(self) -> None:
        self._asked = False

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._interrupt) for number in _INTERRUPTING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if one was asked for."""
        if self._asked:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        raise KeyboardInterrupt
