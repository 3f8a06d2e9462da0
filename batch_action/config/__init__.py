"""Configuration: the inputs, the files that set them, and their validation."""
