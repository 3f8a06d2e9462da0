from tests.integration.conftest import small_ca_bundle

__all__ = ["small_ca_bundle"]
