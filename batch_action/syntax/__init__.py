"""Parsers of source code: what is code, what is documentation, and which comments are directives."""
