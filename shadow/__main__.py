"""`python -m shadow` is `umbra`."""

from shadow.cli import main

main()
