"""Tests of `entrykit/steps/`."""
