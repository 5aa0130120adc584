"""Configuration and its schema; loaded only when a start needs them."""
