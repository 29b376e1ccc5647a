"""Running a model: record and replay, feeding, checkpoints, guards, distribution."""
