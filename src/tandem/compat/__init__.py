"""What stands behind `tandem run`: the import hook, starting a script as Python would, and its worker processes."""
