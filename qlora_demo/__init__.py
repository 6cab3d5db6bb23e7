"""Fine-tune a small chat model on this machine and compare it with the original."""

__version__ = "0.1.0"
