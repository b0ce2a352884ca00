"""Exit statuses of the command line."""

EXIT_USAGE, EXIT_SOME_FAILED, EXIT_LOCKED, EXIT_INTERRUPTED = 2, 3, 75, 130
