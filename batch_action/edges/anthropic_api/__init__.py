"""The one door to Anthropic; nothing else imports `anthropic`."""
