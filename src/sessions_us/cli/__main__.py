"""`python -m sessions_us.cli`."""

from . import main

main()
