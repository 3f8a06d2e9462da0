"""The memory of `serve`: one SQLite file that survives any death of the process.

A delivery is in here before it is acknowledged, a dispatch is claimed in here before it is sent.
"""
