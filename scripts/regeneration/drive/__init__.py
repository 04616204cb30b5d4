"""Run every method of the client against a server that is made from the document alone."""
