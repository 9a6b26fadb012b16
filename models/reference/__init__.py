"""Lists a person would review, each with its source beside it (SOURCES.md)."""
