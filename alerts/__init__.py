"""How we tell it: matching events to subscriptions and delivering them through Apprise."""
