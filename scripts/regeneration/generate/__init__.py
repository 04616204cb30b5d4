"""From a document with names to the files of the generated package."""
