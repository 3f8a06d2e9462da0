from tests.stories.conftest import one_certificate

__all__ = ["one_certificate"]
