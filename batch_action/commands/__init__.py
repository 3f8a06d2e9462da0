"""One module per command: its steps, called in order."""
