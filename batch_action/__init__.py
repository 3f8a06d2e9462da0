"""Nightly AI upkeep of a repository at half price, as one step in a GitHub workflow."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        # The version is only in pyproject.toml. Its look-up is slow, so it waits for the first use.
        if name != "__version__":
            raise AttributeError(name)
        from importlib.metadata import version  # noqa: PLC0415

        return version("batch-action")
