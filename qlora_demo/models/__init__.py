"""Base models and adapters in memory. Only worker processes import this package."""
