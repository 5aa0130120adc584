"""What `boot` calls, one module for each step of a start."""
