"""What a team chooses by: an answer per need, what must not be concluded, what the run lacks."""
