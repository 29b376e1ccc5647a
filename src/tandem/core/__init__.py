"""What both front ends are made of: modules, the graph, dtypes, devices, seeds, scopes, errors."""
