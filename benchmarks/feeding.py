"""How fast batches come: `feeding.py` runs every peer on every work, prints a table and, with --write, keeps it.

    python benchmarks/feeding.py [--rounds N] [--work NAME ...] [--write FILE.md]
    python benchmarks/feeding.py PEER WORK        one measurement, a JSON line: samples per second

PEER: tandem, keras (real Keras on torch), mxnet (real MXNet 1.9.1), torch (torch.utils.data; where a loop by hand or
another setting of the loader is faster, that).
WORK: rows (20,000 x 10 floats in memory, shuffled, batch 32), images (8,000 x 28x28 in memory, shuffled, batch 128),
generator (a Python generator of ready batches), augmenting (one that draws and flips), dataset (a PyDataset, two worker
processes), threads (the same with two threads), loader0 and loader2 (Gluon's DataLoader over arrays with ToTensor and
Normalize, no and two workers), folder and folder0 (JPEGs of 256x256, two workers and none), keras_folder
(a PyDataset over them), records (the same in a
RecordIO file, two workers), iterator, resizing, colours (ImageRecordIter over that file with augmentation).

Every batch is copied into one buffer, as a training step does, with OMP_NUM_THREADS=1; the time is that of whole passes
after a first one, the best pass counts. Each measurement is a process of its own, the peers take turns, reported are
medians of the rounds.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PYTHONS = {
    "tandem": ROOT / ".venv/bin/python",
    "torch": ROOT / ".venv/bin/python",
    "keras": ROOT / ".venv/bin/python",
    "mxnet": ROOT / ".oracles/mxnet/bin/python",
}
# Work -> (what it is, peers, passes that are timed).
WORKS = {
    "rows": ("20,000 rows of 10 floats in memory, shuffled, batch 32", ("tandem", "torch", "keras", "mxnet"), 5),
    "images": ("8,000 images 28x28 in memory, shuffled, batch 128", ("tandem", "torch", "keras", "mxnet"), 5),
    "generator": ("generator of ready batches of 64 x 32x32x3", ("tandem", "torch", "keras"), 5),
    "augmenting": ("generator that augments 64 x 32x32x3", ("tandem", "torch", "keras"), 5),
    "dataset": ("PyDataset, 2 processes, 32 x 128x128x3 from bytes", ("tandem", "torch", "keras"), 3),
    "threads": ("PyDataset, 2 threads, 32 x 128x128x3 from bytes", ("tandem", "torch", "keras"), 3),
    "loader0": ("Gluon DataLoader, arrays 64x64x3, ToTensor, Normalize, 0 workers", ("tandem", "torch", "mxnet"), 3),
    "loader2": ("the same, 2 workers", ("tandem", "torch", "mxnet"), 3),
    "folder0": ("400 JPEGs 256x256 in a folder, ToTensor, 0 workers", ("tandem", "torch", "mxnet"), 2),
    "folder": ("the same, 2 workers", ("tandem", "torch", "mxnet"), 3),
    "keras_folder": ("the same, channels last, a PyDataset of files, 2 processes", ("tandem", "torch", "keras"), 3),
    "records": ("the same in RecordIO, ToTensor, 2 workers", ("tandem", "torch", "mxnet"), 3),
    "iterator": (
        "the same, ImageRecordIter: 224x224 cut at random, mirrored, normalized, 2 threads",
        ("tandem", "mxnet"),
        3,
    ),
    "resizing": ("the same, first resized to 240", ("tandem", "mxnet"), 3),
    "colours": ("the same, boxes of random size, colours changed", ("tandem", "mxnet"), 3),
}
# What ImageRecordIter does to images.
_STRENGTHS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "pca_noise": 0.1}
_BOXES = {"random_resized_crop": True, "min_random_area": 0.08, "min_aspect_ratio": 0.75, "max_aspect_ratio": 1.33}
AUGMENTATIONS = {
    "iterator": {"rand_crop": True},
    "resizing": {"rand_crop": True, "resize": 240},
    "colours": {**_STRENGTHS, **_BOXES},
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PICTURES = 400


# --- what is read ----------------------------------------------------------------------------------------------------


def arrays(work):
    """(x, y) for the works that read arrays."""
    rng = np.random.default_rng(0)
    if work == "rows":
        return rng.random((20_000, 10), dtype="float32"), rng.integers(0, 2, 20_000).astype("float32")
    if work == "images":
        return rng.random((8_000, 28, 28, 1), dtype="float32"), rng.integers(0, 10, 8_000)
    if work.startswith("loader"):
        return rng.integers(0, 256, (3_200, 64, 64, 3), dtype="uint8"), rng.integers(0, 10, 3_200).astype("int32")
    return rng.integers(0, 256, (1_600, 128, 128, 3), dtype="uint8"), rng.integers(0, 10, 1_600)


def generate(work, count=100):
    """Batches of a generator: ready ones, or ones that are made with NumPy on the way."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((640, 32, 32, 3), dtype="float32"), rng.integers(0, 10, 640)
    for number in range(count):
        rows = slice(number % 10 * 64, number % 10 * 64 + 64)
        if work == "generator":
            yield images[rows], labels[rows]
            continue
        chosen = images[rows]
        noise = rng.random(chosen.shape, dtype="float32")
        mirrored = np.where(rng.random((64, 1, 1, 1)) < 0.5, chosen[:, :, ::-1], chosen)
        yield np.clip(mirrored * 1.1 + noise * 0.05, 0, 1), labels[rows]


def batch_of(x, y, index, size=32):
    """What a PyDataset makes of bytes: floats, normalized, mirrored."""
    rows = slice(index * size, (index + 1) * size)
    images = x[rows].astype("float32") / 255
    images = (images - np.float32(MEAN)) / np.float32(STD)
    return images[:, :, ::-1], y[rows]


def pictures(folder):
    """Write the JPEGs, and the same in a RecordIO file."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        path = folder / "jpegs" / f"class{number % 4}" / f"{number:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (10, 10, 3), dtype="uint8"))
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(path, quality=90)
    from tandem.mxnet import recordio

    written = recordio.MXIndexedRecordIO(str(folder / "jpegs.idx"), str(folder / "jpegs.rec"), "w")
    for number, path in enumerate(sorted((folder / "jpegs").rglob("*.jpg"))):
        header = recordio.IRHeader(0, float(path.parent.name[-1]), number, 0)
        written.write_idx(number, recordio.pack(header, path.read_bytes()))
    written.close()


def files(folder):
    """The JPEGs and their class numbers."""
    found = sorted((folder / "jpegs").rglob("*.jpg"))
    return found, np.array([int(path.parent.name[-1]) for path in found])


# --- passes ----------------------------------------------------------------------------------------------------------


def best(one_pass, passes):
    """Samples a second in the best of so many passes after the first one; `one_pass` gives how many it saw."""
    one_pass()
    figures = []
    for _ in range(passes):
        start = time.perf_counter()
        count = one_pass()
        figures.append(count / (time.perf_counter() - start))
    return max(figures)


def into_buffers(batches):
    """Copy every batch of torch tensors into buffers; gives the number of samples."""
    import torch

    buffers, count = None, 0
    for batch in batches:
        batch = [torch.as_tensor(part) for part in batch]
        if buffers is None:
            buffers = [torch.empty_like(part) for part in batch]
        for part, buffer in zip(batch, buffers, strict=True):
            if len(part) == len(buffer):
                buffer.copy_(part)
        count += len(batch[0])
    return count


def into_nd(batches):
    """`into_buffers` for MXNet's arrays, its own or Tandem's."""
    buffers, count = None, 0
    for batch in batches:
        if buffers is None:
            buffers = [part.copy() for part in batch]
        for part, buffer in zip(batch, buffers, strict=True):
            if part.shape == buffer.shape:
                part.copyto(buffer)
        buffers[0].wait_to_read()
        count += batch[0].shape[0]
    return count


def keras_dataset(keras, work, folder):
    """The PyDataset of a work."""
    settings = {"workers": 2, "use_multiprocessing": work != "threads", "max_queue_size": 8}
    if work == "keras_folder":
        paths, labels = files(folder)

        class Pictures(keras.utils.PyDataset):
            def __len__(self):
                return len(paths) // 32

            def __getitem__(self, index):
                chosen = range(index * 32, index * 32 + 32)
                images = [keras.utils.img_to_array(keras.utils.load_img(paths[i])) for i in chosen]
                return np.stack(images) / np.float32(255), labels[index * 32 : index * 32 + 32]

        return Pictures(**settings)
    x, y = arrays(work)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return len(x) // 32

        def __getitem__(self, index):
            return batch_of(x, y, index)

    return Batches(**settings)


def keras_pass(work, folder):
    """Real Keras: what its `fit` on torch iterates over."""
    os.environ["KERAS_BACKEND"] = "torch"
    from keras.src.backend.torch.trainer import TorchEpochIterator

    import keras

    def iterate(**arguments):
        iterator = TorchEpochIterator(steps_per_execution=1, **arguments)

        # A step is (its first number, its last, the list of its batches).
        return lambda: into_buffers(batch for *_, taken in iterator for batch in taken)

    if work in ("rows", "images"):
        x, y = arrays(work)
        return iterate(x=x, y=y, batch_size=32 if work == "rows" else 128, shuffle=True)
    if work in ("generator", "augmenting"):
        return lambda: iterate(x=generate(work))()
    return iterate(x=keras_dataset(keras, work, folder))


def tandem_pass(work, folder):
    """Tandem: what its `fit` iterates over, or Gluon's loader."""
    if work in ("loader0", "loader2", "folder0", "folder", "records", *AUGMENTATIONS):
        import tandem.mxnet as mx

        return gluon_pass(mx, work, folder)
    from tandem import keras
    from tandem.keras.trainers import sources
    from tandem.keras.trainers.epochs import Epochs

    if work in ("rows", "images"):
        import torch

        x, y = arrays(work)
        source = sources.make(x, y, batch_size=32 if work == "rows" else 128, shuffle=True)
        first = next(iter(source))
        buffers = [torch.empty_like(part) for part in first]

        def one_pass():
            feed = source.feed
            feed.start()
            while feed.next_into(buffers):
                pass
            return feed.rows

        return one_pass
    if work in ("generator", "augmenting"):
        return lambda: into_buffers(Epochs(sources.make(generate(work))))
    source = sources.make(keras_dataset(keras, work, folder))

    def one_epoch():
        source.on_epoch_begin()
        count = into_buffers(Epochs(source))
        source.on_epoch_end()
        return count

    return one_epoch


def gluon_pass(mx, work, folder):
    """Gluon's loader or the iterator over records, MXNet's own or Tandem's."""
    if work in AUGMENTATIONS:
        return iterator_pass(mx, work, folder)
    data = mx.gluon.data
    transforms = data.vision.transforms
    workers = 0 if work in ("rows", "images", "loader0", "folder0") else 2
    size = {"images": 128, "loader0": 64, "loader2": 64}.get(work, 32)
    if work in ("rows", "images"):
        x, y = arrays(work)
        dataset = data.ArrayDataset(mx.nd.array(x), y)
    elif work.startswith("loader"):
        x, y = arrays(work)
        steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
        dataset = data.ArrayDataset(mx.nd.array(x, dtype="uint8"), y).transform_first(steps)
    elif work == "records":
        dataset = data.vision.ImageRecordDataset(str(folder / "jpegs.rec")).transform_first(transforms.ToTensor())
    else:
        dataset = data.vision.ImageFolderDataset(str(folder / "jpegs")).transform_first(transforms.ToTensor())
    loader = data.DataLoader(dataset, size, shuffle=work in ("rows", "images"), num_workers=workers)
    return lambda: into_nd(loader)


def iterator_pass(mx, work, folder):
    """ImageRecordIter, MXNet's own or Tandem's."""
    normal = {f"{what}_{c}": 255 * n for what, row in (("mean", MEAN), ("std", STD)) for c, n in zip("rgb", row)}
    batches = mx.io.ImageRecordIter(
        path_imgrec=str(folder / "jpegs.rec"),
        data_shape=(3, 224, 224),
        batch_size=50,
        preprocess_threads=2,
        rand_mirror=True,
        **normal,
        **AUGMENTATIONS[work],
    )

    def one_pass():
        count = into_nd(batch.data for batch in batches)
        batches.reset()
        return count

    return one_pass


class _Rows:
    """A data set for torch's loader: what a user writes, sample by sample."""

    def __init__(self, work, folder):
        import torch

        self.torch, self.work = torch, work
        if work in ("folder", "folder0", "records", "keras_folder"):
            self.paths, self.y = files(folder)
        else:
            self.x, self.y = arrays(work)
        self.mean = torch.tensor(MEAN).reshape(3, 1, 1)
        self.std = torch.tensor(STD).reshape(3, 1, 1)
        self.records = None
        if work == "records":
            self.content = [path.read_bytes() for path in self.paths]

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        import io

        from PIL import Image

        torch = self.torch
        if self.work.startswith("loader"):
            image = torch.from_numpy(self.x[index]).permute(2, 0, 1).contiguous().to(torch.float32).div(255)
            return image.sub_(self.mean).div_(self.std), self.y[index]
        source = io.BytesIO(self.content[index]) if self.work == "records" else self.paths[index]
        pixels = torch.from_numpy(np.array(Image.open(source).convert("RGB")))
        if self.work != "keras_folder":
            pixels = pixels.permute(2, 0, 1).contiguous()
        return pixels.to(torch.float32).div(255), self.y[index]


class _WholeBatches:
    """A data set whose samples are batches."""

    def __init__(self):
        self.x, self.y = arrays("dataset")

    def __len__(self):
        return len(self.x) // 32

    def __getitem__(self, index):
        import torch

        images, labels = batch_of(self.x, self.y, index)
        return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels)


def torch_passes(work, folder):
    """torch.utils.data, in the ways in which a user would write it."""
    import torch
    from torch.utils import data

    if work in ("rows", "images"):
        x, y = (torch.from_numpy(part) for part in arrays(work))
        size = 32 if work == "rows" else 128
        plain = data.TensorDataset(x, y)
        by_batch = data.BatchSampler(data.RandomSampler(plain), size, drop_last=False)
        loaders = [
            data.DataLoader(plain, size, shuffle=True),
            data.DataLoader(plain, batch_size=None, sampler=by_batch),
        ]

        def by_hand():
            order = torch.randperm(len(x))
            return into_buffers((x[rows], y[rows]) for rows in order.split(size))

        return [by_hand, *(lambda loader=loader: into_buffers(loader) for loader in loaders)]
    if work in ("generator", "augmenting"):

        class Stream(data.IterableDataset):
            def __iter__(self):
                return (tuple(map(torch.from_numpy, batch)) for batch in generate(work))

        return [
            lambda: into_buffers(data.DataLoader(Stream(), batch_size=None)),
            lambda: into_buffers(data.DataLoader(Stream(), batch_size=None, num_workers=1)),
        ]
    if work in ("dataset", "threads"):
        kept = data.DataLoader(
            _WholeBatches(), batch_size=None, num_workers=2, prefetch_factor=4, persistent_workers=True
        )
        return [lambda: into_buffers(kept)]
    size = 64 if work.startswith("loader") else 32
    workers = 0 if work.endswith("0") else 2
    loader = data.DataLoader(_Rows(work, folder), size, num_workers=workers, persistent_workers=workers > 0)
    return [lambda: into_buffers(loader)]


def measure_here(peer, work, folder):
    """Samples a second."""
    passes = WORKS[work][2]
    if peer == "torch":
        return max(best(one_pass, passes) for one_pass in torch_passes(work, folder))
    if peer == "mxnet":
        import mxnet

        return best(gluon_pass(mxnet, work, folder), passes)
    return best((keras_pass if peer == "keras" else tandem_pass)(work, folder), passes)


# --- all of them -----------------------------------------------------------------------------------------------------


def measure(peer, work, folder):
    """Samples a second, measured in a new process; None where it fails."""
    command = [str(PYTHONS[peer]), str(HERE / "feeding.py"), peer, work, "--folder", str(folder)]
    # One thread: what is measured waits for no other thread, and the workers are processes of their own.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])["samples_per_second"]


def table(figures, rounds):
    """The result as markdown."""
    import run

    lines = [
        f"# Feeding: samples a second, {datetime.date.today().isoformat()}",
        "",
        f"`python benchmarks/feeding.py --rounds {rounds}`. {run.machine()}.",
        "",
        "Medians over the rounds (lowest to highest); the last column is Tandem's over the fastest peer's.",
        "",
        "| what is read | Tandem | torch.utils.data | Keras | MXNet | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for work, (title, peers, _) in WORKS.items():
        if ("tandem", work) not in figures:
            continue
        middles = {peer: statistics.median(figures[peer, work]) for peer in peers if (peer, work) in figures}
        cells = []
        for peer in ("tandem", "torch", "keras", "mxnet"):
            found = figures.get((peer, work))
            cells.append(f"{middles[peer]:,.0f} ({min(found):,.0f} to {max(found):,.0f})" if found else "-")
        fastest = max(value for peer, value in middles.items() if peer != "tandem")
        lines.append(f"| {title} | " + " | ".join(cells) + f" | {middles['tandem'] / fastest:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", nargs="?", choices=list(PYTHONS))
    parser.add_argument("one", nargs="?", choices=list(WORKS), metavar="work")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", nargs="*", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--write", type=Path, help="where the table goes")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        warnings.simplefilter("ignore")
        with tempfile.TemporaryDirectory() as made:
            folder = options.folder or Path(made)
            if options.folder is None and ("folder" in options.one or options.one in ("records", *AUGMENTATIONS)):
                pictures(folder)
            speed = measure_here(options.peer, options.one, folder)
        print(json.dumps({"peer": options.peer, "work": options.one, "samples_per_second": speed}))
        return
    figures = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        pictures(folder)
        for number in range(options.rounds):
            for work in options.work:
                for peer in WORKS[work][1]:
                    if PYTHONS[peer].exists():
                        speed = measure(peer, work, folder)
                        figures.setdefault((peer, work), []).append(speed)
                        print(f"round {number + 1}: {work:12} {peer:7} {speed:12,.0f} a second", flush=True)
    text = table(figures, options.rounds)
    print("\n" + text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
