"""Tests of `entrykit/stock/`."""
