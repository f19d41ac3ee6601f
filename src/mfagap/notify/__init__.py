"""How people are told of an alert: one file a kind."""
