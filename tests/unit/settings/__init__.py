"""Tests of `entrykit/settings/`."""
