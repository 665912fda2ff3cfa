"""What is told apart: pairs over blocks, tests, verdicts, two runs, many runs."""
