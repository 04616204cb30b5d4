"""What scripts/regenerate.py does, a room for each step, in order: pull, repair, overlay, adopt, generate, drive, report."""
