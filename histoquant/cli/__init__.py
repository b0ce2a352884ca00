"""The command line: parses, calls, and turns failures into one line and an exit status."""

from __future__ import annotations

import contextlib
import sys

from histoquant.cli.application import app
from histoquant.cli.exporting import export
from histoquant.cli.reading import blind, review, unblind
from histoquant.cli.results import sign, verify
from histoquant.cli.running import calibrate, inspect, run, worker
from histoquant.cli.samples import samples
from histoquant.cli.status import EXIT_INTERRUPTED, EXIT_LOCKED, EXIT_USAGE
from histoquant.cli.trial import agreement, reference, study
from histoquant.cli.watching import status
from histoquant.errors import HistoquantError, OutputLockedError

# in the order of `histoquant --help`
COMMANDS = (
    *(run, inspect, calibrate, worker, status, verify, sign, study, agreement, reference, export, blind),
    *(unblind, review, samples),
)
for _command in COMMANDS:
    app.command()(_command)


def _leave_no_core() -> None:
    """A decoder that crashes, here or in a worker, must not leave the slide in a core file on disk."""
    with contextlib.suppress(ImportError):  # not on Windows, which writes none
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def main() -> None:
    """Run the command line; every failure becomes one line and an exit status."""
    _leave_no_core()
    try:
        app()
    except KeyboardInterrupt:
        code, message = EXIT_INTERRUPTED, "interrupted"
    except OutputLockedError as error:
        code, message = EXIT_LOCKED, str(error)
    except HistoquantError as error:
        code, message = EXIT_USAGE, str(error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}. What was finished is kept; mend this and run again."
        code = EXIT_USAGE
    print(f"histoquant: {message}", file=sys.stderr)
    sys.exit(code)
