"""The Anthropic API; nothing else imports `anthropic`."""
