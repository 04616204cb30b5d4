"""`python -m sessions_us.cli`."""

from sessions_us.cli import main

main()
