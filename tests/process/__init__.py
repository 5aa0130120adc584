"""Starts as real processes, each test in every way in which entrykit can start."""
