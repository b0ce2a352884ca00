"""`python -m histoquant`: the command line where no script is installed."""

from histoquant.cli import main

main()
