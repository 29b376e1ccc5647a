"""Model and data files as plain structures, and back. Nothing found in a file is run."""
