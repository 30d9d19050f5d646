"""What crosses a process border, and how a child process is started, heard, watched and ended."""
