"""Lists of image files: a line to an image, tabs between its number, its labels and its path.

7 <tab> 1.000000 <tab> cats/3.jpg
"""

import os
import random

from tandem.formats.limits import broken, named

_LONGEST = 1 << 20  # bytes of a line; a label of boxes has hundreds of numbers


def find(root, suffixes, recursive=False):
    """([(number, path below root, label)], {folder: label}) of the images in a folder, in alphabetical order.

    suffixes: in small letters. recursive: also those in the folders below, which are labelled 0, 1, … in the order in
    which images are found in them; otherwise every label is 0.
    """
    found, labels = [], {}
    walk = os.walk(root, followlinks=True) if recursive else [(root, [], os.listdir(root))]
    for folder, folders, names in walk:
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.splitext(name)[1].lower() in suffixes and os.path.isfile(path):
                label = labels.setdefault(os.path.relpath(folder, root), len(labels)) if recursive else 0
                found.append((len(found), os.path.relpath(path, root), label))
    return found, labels


def split(entries, chunks=1, train=1.0, test=0.0, shuffle=True):
    """Yield (what the list's name ends in, its entries): equal chunks, in each a part to test with, one to train with
    and, where something is left, one to validate with. Mixed always in the same way."""
    entries = list(entries)
    if shuffle:
        random.Random(100).shuffle(entries)
    size = -(-len(entries) // chunks)
    for number in range(chunks):
        chunk = entries[number * size : (number + 1) * size]
        end = f"_{number}" if chunks > 1 else ""
        if train == 1.0:
            yield end, chunk
            continue
        tests, trained = int(size * test), int(size * train)
        if test:
            yield f"{end}_test", chunk[:tests]
        if train + test < 1.0:
            yield f"{end}_val", chunk[tests + trained :]
        yield f"{end}_train", chunk[tests : tests + trained]


def write(path, entries):
    """Write a list; an entry: (number, path of the image, label, …)."""
    with open(path, "w", encoding="utf-8") as file:
        for number, image, *labels in entries:
            file.write("\t".join([str(number), *(f"{label:f}" for label in labels), image]) + "\n")


def read(path):
    """Yield (number, path of the image, labels as floats) line by line; empty lines are passed over.

    Raises FormatError for a line that is no entry, OSError where the file cannot be opened.
    """
    with open(path, "rb") as file:
        count = 0
        while line := file.readline(_LONGEST):
            count += 1
            if not line.strip():
                continue
            try:
                number, *labels, image = line.decode("utf-8").strip().split("\t")
                if not labels:
                    raise ValueError("no label")
                # A number may be written as 7.0, but neither as inf nor nan.
                yield int(float(number)), image, [float(label) for label in labels]
            except (ValueError, OverflowError):
                raise broken(
                    named(path), f"line {count} is no entry", "number, labels and path with tabs", repr(line[:60])
                ) from None
