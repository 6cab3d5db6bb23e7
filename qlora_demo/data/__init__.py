"""From a file's bytes to tokens with a loss mask."""
