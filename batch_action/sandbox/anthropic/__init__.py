"""The emulated Anthropic API: batches, messages, models, tokens, and the prompt cache."""
