"""Exit statuses of a run and of the commands that look at slides."""

EXIT_OK, EXIT_SOME_FAILED, EXIT_NONE_USABLE, EXIT_INTERRUPTED = 0, 3, 4, 130
