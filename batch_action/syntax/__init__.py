"""Parsers of source code: separate code from documentation and from comments that tools read."""
