"""Every parser before bytes that nobody meant (docs/fuzzing.md)."""
