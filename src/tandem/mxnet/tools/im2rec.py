"""Lists of images, and record files made of them: MXNet's program im2rec, with its options.

tandem im2rec --list --recursive data/train photos/      # writes data/train.lst
tandem im2rec --resize 256 data/train photos/            # writes data/train.rec and data/train.idx
"""

import argparse
import collections
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from tandem.formats import image_lists, images
from tandem.formats import recordio as records
from tandem.formats.saving import atomic_write
from tandem.mxnet.recordio import pack_img
from tandem.ops import opencv

_AHEAD = 8  # images to a thread that are read before they are written


def _options(arguments, program):
    parser = argparse.ArgumentParser(
        prog=program,
        description="Make a list of the images in a folder, or record files of the images in lists.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("prefix", help="where lists and record files are: PREFIX.lst, PREFIX.rec, PREFIX.idx")
    parser.add_argument("root", help="the folder of images")
    lists = parser.add_argument_group("making a list")
    lists.add_argument("--list", action="store_true", help="write PREFIX.lst, and no record file")
    lists.add_argument("--exts", nargs="+", default=[".jpeg", ".jpg", ".png"], help="what an image's name ends in")
    lists.add_argument("--chunks", type=int, default=1, help="how many lists the images are spread over")
    lists.add_argument("--train-ratio", type=float, default=1.0, help="the part to train with")
    lists.add_argument("--test-ratio", type=float, default=0, help="the part to test with")
    lists.add_argument("--recursive", action="store_true", help="folders below too, each with a label of its own")
    lists.add_argument("--no-shuffle", dest="shuffle", action="store_false", help="keep the alphabetical order")
    made = parser.add_argument_group("making record files of the lists whose path begins with PREFIX")
    made.add_argument("--pass-through", action="store_true", help="take the files as they are")
    made.add_argument("--resize", type=int, default=0, help="the length of the shorter edge; 0 leaves it")
    made.add_argument("--center-crop", action="store_true", help="cut the square in the middle, before resizing")
    made.add_argument("--quality", type=int, default=95, help="of JPEG, 1 to 100; how hard PNG is compressed, 1 to 9")
    made.add_argument("--num-thread", type=int, default=_cores(), help="threads; the order is always the list's")
    made.add_argument("--color", type=int, default=1, choices=[-1, 0, 1], help="1 colours, 0 grey, -1 as it is")
    made.add_argument("--encoding", default=".jpg", choices=[".jpg", ".png"], help="how images are written")
    made.add_argument("--pack-label", action="store_true", help="write all numbers of a label, not the first only")
    options = parser.parse_args(arguments)
    options.prefix, options.root = os.path.abspath(options.prefix), os.path.abspath(options.root)
    for name, least in (("chunks", 1), ("resize", 0), ("num_thread", 1)):
        if getattr(options, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be {least} or more")
    return options


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say(text, to=None):
    (to or sys.stdout).write(f"{text}\n")


def _make_lists(options):
    entries, labels = image_lists.find(options.root, options.exts, options.recursive)
    for folder, label in labels.items():
        _say(f"{folder} {label}")
    parts = image_lists.split(entries, options.chunks, options.train_ratio, options.test_ratio, options.shuffle)
    for end, part in parts:
        image_lists.write(f"{options.prefix}{end}.lst", part)


def _lists(prefix):
    """The lists whose path begins so, or those in this folder."""
    folder = prefix if os.path.isdir(prefix) else os.path.dirname(prefix)
    found = (os.path.join(folder, name) for name in sorted(os.listdir(folder)))
    return [path for path in found if path.startswith(prefix) and path.endswith(".lst") and os.path.isfile(path)]


def _changed(content, options):
    """An image, as the options have it, blue first."""
    pixels = images.decode(content, {1: False, 0: True, -1: None}[options.color])
    pixels = pixels if options.color == -1 else images.upright(pixels, content)
    height, width = pixels.shape[:2]
    if options.center_crop:
        edge, top, left = min(height, width), max(height - width, 0) // 2, max(width - height, 0) // 2
        pixels = pixels[top : top + edge, left : left + edge]
        height = width = edge
    if options.resize:
        short = options.resize
        size = (short * height // width, short) if height > width else (short, short * width // height)
        whole = pixels if pixels.ndim == 3 else pixels[:, :, None]
        pixels = opencv.resize(torch.as_tensor(whole.copy()), size).numpy().reshape(*size, *pixels.shape[2:])
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 and pixels.shape[2] > 1 else pixels


def _record(entry, options):
    """The record of an image, or the error that reading it ends in."""
    number, path, labels = entry
    header = records.Header(0, labels if options.pack_label and len(labels) > 1 else labels[0], number, 0)
    try:
        with open(os.path.join(options.root, path), "rb") as file:
            content = file.read()
        if options.pass_through:
            return records.pack(header, content)
        return pack_img(header, _changed(content, options), options.quality, options.encoding)
    except (OSError, ValueError) as error:
        return error


def _in_order(function, items, threads):
    """`map` in several threads, which are only so far ahead that memory does not grow with the list."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = collections.deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= threads * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _make_records(path, options):
    """Write the record file and the index of a list; what cannot be read is left out, and said."""
    base, begin = os.path.splitext(path)[0], time.monotonic()
    entries, left_out = list(image_lists.read(path)), 0
    with atomic_write(f"{base}.rec") as file, atomic_write(f"{base}.idx", "w") as index:
        writer = records.RecordWriter(file)
        made = _in_order(lambda entry: _record(entry, options), entries, options.num_thread)
        for count, (entry, record) in enumerate(zip(entries, made, strict=True)):
            if isinstance(record, Exception):
                left_out += 1
                _say(f"{entry[1]} is left out: {record}", sys.stderr)
            else:
                index.write(records.index_line(entry[0], writer.tell()))
                writer.write(record)
            if count % 1000 == 999:
                _say(f"time: {time.monotonic() - begin:.1f} s  count: {count + 1}")
    _say(f"{base}.rec: {len(entries) - left_out} images, {left_out} left out, {time.monotonic() - begin:.1f} s")


def main(arguments=None, program=None):
    """Do what the arguments say (those of the command line where none are given).

    Raises SystemExit for wrong ones, where there is no list, or where a list is damaged.
    """
    options = _options(arguments, program)
    try:
        if options.list:
            _make_lists(options)
            return
        opencv.library()  # before threads ask for it
        found = _lists(options.prefix)
        if not found:
            raise SystemExit(f"There is no list {options.prefix}*.lst. Make one with --list.")
        for path in found:
            _make_records(path, options)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
