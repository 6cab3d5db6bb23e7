"""Base and adapted model on the same rows."""
