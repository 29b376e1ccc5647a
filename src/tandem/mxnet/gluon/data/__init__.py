"""Data sets, samplers and the loader: `mxnet.gluon.data`."""

import importlib

from tandem.mxnet.base import missing
from tandem.mxnet.gluon.data import dataloader, dataset, sampler
from tandem.mxnet.gluon.data.dataloader import DataLoader
from tandem.mxnet.gluon.data.dataset import ArrayDataset, Dataset, RecordFileDataset, SimpleDataset
from tandem.mxnet.gluon.data.sampler import BatchSampler, FilterSampler, RandomSampler, Sampler, SequentialSampler

_LATER = ("data", "vision")

__all__ = [
    "ArrayDataset",
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "FilterSampler",
    "RandomSampler",
    "RecordFileDataset",
    "Sampler",
    "SequentialSampler",
    "SimpleDataset",
    "dataloader",
    "dataset",
    "sampler",
    "vision",
]


def __getattr__(name):
    if name in _LATER:
        return importlib.import_module(f"tandem.mxnet.gluon.data.{name}")
    raise missing(__name__, name, [*__all__, *_LATER])
