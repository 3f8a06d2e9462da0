"""What the ecosystems agree on about tests: what runs them, their names, their places."""
