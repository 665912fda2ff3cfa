"""Plan, provision, run, record; the one command line."""
