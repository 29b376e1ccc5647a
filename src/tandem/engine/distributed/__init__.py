"""Several processes as one: who takes part, and what they exchange. `torch.distributed` does the work."""
