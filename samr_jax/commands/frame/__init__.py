"""The frame of every command: flags, the page of ``--help``, and running."""
