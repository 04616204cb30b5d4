"""Say what is to be said about a newer document."""
