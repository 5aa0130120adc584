"""entrykit: the entrypoint of a container image, done once and properly."""

__version__ = "0.1.0"
