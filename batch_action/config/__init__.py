"""Every input, declared once, and where its value comes from."""
