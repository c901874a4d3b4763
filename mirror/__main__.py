"""``python -m mirror``."""

from mirror.cli import run

if __name__ == "__main__":
    run()
