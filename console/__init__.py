"""Where people look and decide: a small web page and its JSON."""
