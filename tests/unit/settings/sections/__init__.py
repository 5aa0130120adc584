"""Tests of entrykit.settings.sections."""
