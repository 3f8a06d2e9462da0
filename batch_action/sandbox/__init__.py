"""The emulated Anthropic and GitHub: written from their documentation, not from our clients."""
