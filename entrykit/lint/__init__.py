"""What `check` and `bake` find in hook directories, templates and configuration, without a start.

What a start finds itself is found here by the start's own code, in its own words; the rest is what
only shows in a hook's run, or to whoever meets the image.
"""
