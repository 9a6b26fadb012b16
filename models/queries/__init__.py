"""Reading what we know: named questions with frozen answers. Nothing here changes the database."""
