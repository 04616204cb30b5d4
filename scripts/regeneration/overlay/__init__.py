"""Add to a document what spec/overlay.yaml says of it."""
