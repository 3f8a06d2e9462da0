"""Every input declared once; mappings in, Settings out."""
