"""Plain locustfiles: who the users are and what they do."""
