from tests.integration.conftest import one_certificate

__all__ = ["one_certificate"]
