"""Base models on this disk: found, fetched, checked."""
