"""Nightly AI upkeep of a repository at half price, as one step in a GitHub workflow."""

__version__ = "0.1.0"
