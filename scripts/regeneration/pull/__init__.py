"""Find the published document, whatever page it hides behind."""
