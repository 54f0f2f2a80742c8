"""Property tests find the same examples in every run, and may take their time on a slow machine."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")
