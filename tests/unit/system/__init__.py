"""Tests of `entrykit/system/`."""
