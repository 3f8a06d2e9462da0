"""Requests and plans: what is sent for each selected file, and what it costs."""
