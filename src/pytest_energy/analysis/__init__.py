"""What can be told from several results of a session. Pure."""
