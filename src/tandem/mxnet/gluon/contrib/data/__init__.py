"""`gluon.contrib.data`: a further sampler, and texts for language models."""

from tandem.mxnet.gluon.contrib.data import sampler, text
from tandem.mxnet.gluon.contrib.data.sampler import IntervalSampler

__all__ = ["IntervalSampler", "sampler", "text"]
