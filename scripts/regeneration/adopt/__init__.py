"""Give a published document the paths and names that the client was written with."""
