"""Asking base and adapted model side by side: the engine in its worker process, the client in the web process."""
