"""Tarmac on one machine: its PostgreSQL, its Prefect server and everything else as supervised child processes."""
