"""When it happens: the schedule, and the command line."""
