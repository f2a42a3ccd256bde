"""Laws are tested without a deadline: a shared machine is slow now and then."""

from hypothesis import settings

settings.register_profile("normfree", deadline=None)
settings.load_profile("normfree")
