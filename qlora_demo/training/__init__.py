"""Fitting an adapter to tokenised rows."""
