"""`python -m hodor` is the same as the command `hodor`."""

from hodor.cli import start

if __name__ == "__main__":
    start()
