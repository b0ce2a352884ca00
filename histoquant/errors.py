"""Every failure histoquant knows by name: what went wrong, where, and the way out."""

from __future__ import annotations


class HistoquantError(Exception):
    """A failure a user can act on; shown as one line, never as a traceback.

    Parameters
    ----------
    message : str
        What is wrong, where, and what to do about it.
    """


class UsageError(HistoquantError):
    """The command, option or configuration is wrong; nothing was started."""


class StudyError(UsageError):
    """The study file or one of its tables is wrong; names file, row and column."""


class CalibrationError(UsageError):
    """The calibration file is wrong, or does not fit the run; names file and key."""


class StoreError(HistoquantError):
    """The output folder cannot be used as asked."""


class OutputLockedError(StoreError):
    """Another run holds the output folder."""


class SlideError(HistoquantError):
    """One slide cannot be quantified; the others go on.

    Parameters
    ----------
    code : str
        Reason code for the slide's row, for example ``"NO_MPP"``.
    message : str
        What is wrong, where, and what to do about it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class SlideRefusedError(SlideError):
    """The slide must not be quantified as it is: its content or its metadata forbid it."""


class SlideFailedError(SlideError):
    """The slide could not be read or processed to the end."""
