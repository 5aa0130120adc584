"""Tests of `entrykit/commands/`."""
