"""`python -m qlora_demo`: the engine without a page."""

from qlora_demo.cli import run

if __name__ == "__main__":
    run()
