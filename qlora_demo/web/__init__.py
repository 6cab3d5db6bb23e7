"""What stands between strangers and the page: small guards around the whole application, each with one purpose. Knows nothing of gradio's classes."""
