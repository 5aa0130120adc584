"""The fast tests: everywhere, without root and without an engine; they mirror the package."""
