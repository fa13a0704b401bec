"""`python -m avsync`."""

from avsync.cli import main

main()
