"""What is asked about each selected file, and what it costs."""
