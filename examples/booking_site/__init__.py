"""A booking site: visitors see free times, book, move and cancel them, and register for events. See README.md."""
