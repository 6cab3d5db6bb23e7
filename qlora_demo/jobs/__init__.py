"""The line of runs: what is asked for, what runs, and the processes that run it."""
