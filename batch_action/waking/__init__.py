"""Waking up, as far as no outside party is needed: whose word counts, what it says, when to ask."""
