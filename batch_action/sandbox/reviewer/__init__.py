"""The offline reviewer that answers prompts in place of a model."""
