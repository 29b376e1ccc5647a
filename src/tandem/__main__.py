"""``python -m tandem`` is the command ``tandem``."""

from tandem.cli import main

if __name__ == "__main__":
    main()
