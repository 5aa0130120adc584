"""Tests of `entrykit/plan/`."""
