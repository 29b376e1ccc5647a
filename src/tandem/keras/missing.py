"""What a public namespace says of a name that it does not have."""

from tandem.core.errors import suggest


def missing(namespace, name, names):
    """The AttributeError for `name`: that it is not there, the nearest name, how to see what is supported."""
    parts = [f"module {namespace!r} has no attribute {name!r}.", suggest(name, names)]
    if not name.startswith("__"):
        parts.append(f"`dir({namespace})` lists what Tandem supports; `tandem check` says it for a whole script.")
    return AttributeError(" ".join(part for part in parts if part))
