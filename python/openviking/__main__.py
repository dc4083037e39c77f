"""``python -m openviking`` is the ``openviking`` command."""

from openviking.cli import main

if __name__ == "__main__":
    main()
