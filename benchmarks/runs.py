"""How each family of frameworks builds, trains and asks a model: classes with the same methods.

build()            makes the model, ready to train
first()            makes one training step and waits for it
train(epochs)      trains that many epochs, shuffled anew, and gives the seconds of each
call(row)          the net on one row: numpy in, numpy out
predict(inputs)    the framework's way for many rows, in batches: numpy in, numpy out
"""

import time

import models
import numpy as np


class Run:
    """The data of a model, and what the families have in common."""

    def __init__(self, name):
        self.name, self.spec = name, models.spec(name)
        self.inputs, self.targets = models.data(name, self.spec.batch * self.spec.steps)
        self.requests = models.requests(name, self.spec.batch * self.spec.steps)

    def rows(self, begin, end):
        """The numpy rows that predictions are asked for."""
        return tuple(array[begin:end] for array in self.requests)

    def train(self, epochs):
        seconds = []
        for _ in range(epochs):
            start = time.perf_counter()
            self.epoch()
            seconds.append(time.perf_counter() - start)
        return seconds


class KerasRun(Run):
    """Tandem's or the real Keras, with `fit` and `predict`."""

    def __init__(self, name, keras, policy=None):
        super().__init__(name)
        self.keras, self.policy = keras, policy

    def build(self):
        from models import keras_models

        self.net = keras_models.build(self.keras, self.name, self.policy)

    def _fit(self, count, **options):
        x = [array[:count] for array in self.inputs]
        y = None if self.targets is None else self.targets[:count]
        self.net.fit(x if len(x) > 1 else x[0], y, batch_size=self.spec.batch, verbose=0, **options)

    def first(self):
        self._fit(self.spec.batch, epochs=1)

    def train(self, epochs):
        marks = [time.perf_counter()]

        class Clock(self.keras.callbacks.Callback):
            """Notes when an epoch has ended; asks for nothing after a batch."""

            def on_epoch_end(self, epoch, logs=None):
                marks.append(time.perf_counter())

        self._fit(len(self.inputs[0]), epochs=epochs, callbacks=[Clock()])
        return np.diff(marks).tolist()

    def call(self, row):
        y = self.net(list(row) if len(row) > 1 else row[0], training=False)
        return y.detach().numpy() if hasattr(y, "detach") else np.asarray(y)

    def predict(self, inputs):
        x = list(inputs) if len(inputs) > 1 else inputs[0]
        return self.net.predict(x, batch_size=self.spec.batch, verbose=0)


class TorchRun(Run):
    """The loop written by hand in PyTorch.

    channels_last: the images' memory format; how: arguments of the optimizer; compiled: through `torch.compile`;
    autocast: forward in bfloat16.
    """

    def __init__(self, name, channels_last=False, how=None, compiled=False, autocast=False):
        import torch

        super().__init__(name)
        self.torch, self.how, self.compiled, self.autocast = torch, how or {}, compiled, autocast
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        targets = () if self.targets is None else (self.targets,)
        self.tensors = [*map(self._tensor, self.inputs), *map(torch.from_numpy, targets)]

    def _tensor(self, array):
        tensor = self.torch.from_numpy(array)
        if self.spec.images and array.ndim == 4:
            return tensor.permute(0, 3, 1, 2).contiguous(memory_format=self.format)
        return tensor

    def build(self):
        from models import torch_models

        self.net = torch_models.build(self.name).to(memory_format=self.format)
        forward = self.torch.compile(self.net) if self.compiled else self.net
        self.forward = forward
        self._step = torch_models.step_of(self.name, forward, self.how, self.autocast)

    def _batch(self, chosen):
        batch = [tensor[chosen] for tensor in self.tensors]
        return batch if self.targets is not None else [*batch, None]

    def first(self):
        self._step(*self._batch(slice(0, self.spec.batch))).item()

    def epoch(self):
        order = self.torch.randperm(len(self.tensors[0]))
        total = self.torch.zeros(())
        for chosen in order.split(self.spec.batch):
            total += self._step(*self._batch(chosen))
        return total.item()

    def call(self, row):
        self.net.eval()
        with self.torch.inference_mode(), self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.autocast):
            return self.forward(*map(self._tensor, row)).float().numpy()

    def predict(self, inputs):
        size = self.spec.batch
        starts = range(0, len(inputs[0]), size)
        return np.concatenate([self.call([array[begin : begin + size] for array in inputs]) for begin in starts])


class GluonRun(Run):
    """Gluon's loop, on Tandem's MXNet or the real one."""

    def __init__(self, name, mx, hybridized):
        super().__init__(name)
        self.mx, self.hybridized = mx, hybridized
        self.arrays = [mx.nd.array(self._layout(array), dtype=array.dtype) for array in (*self.inputs, self.targets)]

    def _layout(self, array):
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if self.spec.images and array.ndim == 4 else array

    def build(self):
        from models import gluon_models

        self.net, self.loss, kind, options = gluon_models.build(self.mx, self.name)
        if self.hybridized:
            self.net.hybridize(static_alloc=True, static_shape=True)
            self.loss.hybridize(static_alloc=True, static_shape=True)
        self.trainer = self.mx.gluon.Trainer(self.net.collect_params(), kind, options)

    def _step(self, inputs, target):
        with self.mx.autograd.record():
            loss = self.loss(self.net(*inputs), target)
        loss.backward()
        self.trainer.step(self.spec.batch)
        return loss.mean()

    def first(self):
        *inputs, target = (array[: self.spec.batch] for array in self.arrays)
        self._step(inputs, target).asscalar()

    def epoch(self):
        nd, size = self.mx.nd, self.spec.batch
        order = nd.random.shuffle(nd.arange(len(self.arrays[0])))
        total = nd.zeros((1,))
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            *inputs, target = (array.take(chosen) for array in self.arrays)
            total += self._step(inputs, target)
        return total.asscalar()

    def call(self, row):
        return self.net(*(self.mx.nd.array(self._layout(array), dtype=array.dtype) for array in row)).asnumpy()

    def predict(self, inputs):
        size = self.spec.batch
        starts = range(0, len(inputs[0]), size)
        return np.concatenate([self.call([array[begin : begin + size] for array in inputs]) for begin in starts])


class JaxRun(Run):
    """Bare JAX, an epoch in one call; its first step is its first epoch."""

    def build(self):
        import jax
        from models import jax_models

        if self.name != "mlp":
            raise KeyError(self.name)
        self.jax, self.models = jax, jax_models
        self.key = jax.random.key(0)
        parameters = jax_models.initial(self.key)
        self.state = parameters, jax.tree.map(lambda p: 0 * p, parameters)
        self.arrays = jax.numpy.asarray(self.inputs[0]), jax.numpy.asarray(self.targets)
        self._epoch = jax_models.epoch_of(self.name)

    def epoch(self):
        self.key, key = self.jax.random.split(self.key)
        self.state, loss = self._epoch(self.state, key, *self.arrays)
        return float(loss)

    first = epoch

    def call(self, row):
        return np.asarray(self.models.predict(self.state[0], row[0]))

    def predict(self, inputs):
        return self.call(inputs)
