"""Measurements: one file a claim, each against a yardstick in the same run. `make bench` runs them all."""
