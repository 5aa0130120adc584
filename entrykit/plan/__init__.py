"""The plan: what a start would do, told by the steps of a start, and none of it done.

Ordinary Python: `boot` loads it only where the plan is wanted instead of the start.
"""
