"""What follows from several results of a session. Pure."""
