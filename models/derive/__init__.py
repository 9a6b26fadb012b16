"""Pure functions from observations to facts: no I/O, no clock, no database."""
