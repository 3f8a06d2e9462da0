"""One hypothesis profile for all property tests: no deadline, 60 examples."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tests", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")
