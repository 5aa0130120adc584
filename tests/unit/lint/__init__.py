"""Tests of `entrykit/lint/`."""
