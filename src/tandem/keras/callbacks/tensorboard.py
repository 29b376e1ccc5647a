"""`TensorBoard`: what happens in training, as files that TensorBoard shows."""

import os
import time

import numpy as np

from tandem.core.errors import explain, warn
from tandem.keras import ops
from tandem.keras.callbacks.callback import Callback
from tandem.keras.layers import Embedding
from tandem.keras.optimizers import Optimizer

# What Keras 1 and 2 took; Keras 2.0 warned that TensorFlow 2 has no use for it.
_OLD = ("batch_size", "write_grads", "embeddings_layer_names", "embeddings_data")


class TensorBoard(Callback):
    """Writes losses, metrics, weights and the model's graph into the folder `log_dir`, for TensorBoard.

    histogram_freq: after every how many epochs the weights' histograms are written, 0 for never; write_graph: whether
    the model's layers are; write_images: with the histograms, the weights as images; write_steps_per_second: how fast
    batches and epochs were; update_freq: "epoch", or "batch" or after how many batches losses and metrics are written
    too; profile_batch: the number of a batch, or the first and last of several ("10,20" or a pair), of which torch's
    profiler writes a trace; embeddings_freq: after every how many epochs the tables of `Embedding`s are written for the
    projector; embeddings_metadata: {name of the layer: name of a file with a label to an entry}, or one name for all.
    Raises ImportError where TensorBoard is not installed, ValueError for a wrong `profile_batch` and for metadata of
    layers that are not there.
    """

    writes_files = True

    def __init__(
        self,
        log_dir="logs",
        histogram_freq=0,
        write_graph=True,
        write_images=False,
        write_steps_per_second=False,
        update_freq="epoch",
        profile_batch=0,
        embeddings_freq=0,
        embeddings_metadata=None,
        **kwargs,
    ):
        super().__init__()
        unknown = set(kwargs) - set(_OLD)
        if unknown:
            raise TypeError(f"TensorBoard() got unexpected keyword arguments: {sorted(unknown)}")
        for name in [name for name, value in kwargs.items() if value and name != "batch_size"]:
            warn(f"`{name}` will be ignored: TensorBoard's callback has not had it since Keras 2.2.")
        _summary()
        self.log_dir = str(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._first_traced, self._last_traced = _traced(profile_batch)
        # Where nothing is to be done at a batch's edge, steps need not stop there.
        self._watches_batches = bool(self.update_freq != "epoch" or self._first_traced or type(self) is not TensorBoard)
        self._train_batch = 0
        self._writers = {}
        self._profiler = None

    # --- files -----------------------------------------------------------------------------------------------------
    def set_model(self, model):
        """Take the model, and write its layers."""
        super().set_model(model)
        self._close()
        self._train_dir = os.path.join(self.log_dir, "train")
        self._val_dir = os.path.join(self.log_dir, "validation")
        if self.write_graph:
            self._write_layers()
        if self.embeddings_freq:
            self._describe_embeddings()

    @property
    def summary(self):
        """The module that makes the entries of the files, `torch.utils.tensorboard.summary`."""
        return _summary()

    def _writer(self, kind):
        if kind not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            self._writers[kind] = SummaryWriter(self._train_dir if kind == "train" else self._val_dir)
        return self._writers[kind]

    def _close(self):
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _scalars(self, kind, values, step):
        for name, value in values.items():
            self._writer(kind).add_scalar(name, value, step)

    def _write_layers(self):
        """The model's config, from which TensorBoard draws its layers."""
        from tensorboard.compat.proto import summary_pb2, tensor_pb2, types_pb2

        from tandem.keras.models.functional import Functional
        from tandem.keras.models.sequential import Sequential

        if not isinstance(self.model, (Functional, Sequential)):
            return
        try:
            text = self.model.to_json()
        except Exception as error:  # a layer's `get_config` is anybody's code
            warn(f"Model failed to serialize as JSON. Ignoring... {error}")
            return
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING,
            string_val=[text.encode()],
            tensor_shape={},
        )
        value = summary_pb2.Summary.Value(
            tag="keras", metadata=summary_pb2.SummaryMetadata(plugin_data=plugin), tensor=tensor
        )
        self._writer("train")._get_file_writer().add_summary(summary_pb2.Summary(value=[value]), 0)

    # --- training --------------------------------------------------------------------------------------------------
    def on_train_begin(self, logs=None):
        """Count batches from 0."""
        self._train_batch = 0

    def on_train_end(self, logs=None):
        """Close the files."""
        self._stop_trace()
        self._close()

    def on_train_batch_begin(self, batch, logs=None):
        """Count the batch, and begin a trace where it is the first of those asked for."""
        self._train_batch += 1
        self._batch_began = time.time()
        if self._train_batch == self._first_traced:
            self._start_trace()

    def on_train_batch_end(self, batch, logs=None):
        """Write the values so far, where it is this batch's turn."""
        if self.update_freq != "epoch" and self._train_batch % self.update_freq == 0:
            values = {f"batch_{name}": value for name, value in (logs or {}).items()}
            if self.write_steps_per_second:
                values["batch_steps_per_second"] = 1 / (time.time() - self._batch_began)
            self._scalars("train", values, self._train_batch)
        if self._profiler is not None and self._train_batch >= self._last_traced:
            self._stop_trace()

    def on_epoch_begin(self, epoch, logs=None):
        """Note the time."""
        self._epoch_began = time.time(), self._iterations()

    def on_epoch_end(self, epoch, logs=None):
        """Write the epoch's values, and the weights where it is this epoch's turn."""
        values = dict(logs or {})
        if values:
            train = {name: value for name, value in values.items() if not name.startswith("val_")}
            train.update(self._learning_rates())
            if self.write_steps_per_second:
                began, before = self._epoch_began
                train["steps_per_second"] = (self._iterations() - before) / (time.time() - began)
            self._scalars("train", {f"epoch_{name}": value for name, value in train.items()}, epoch)
            validation = {name.removeprefix("val_"): v for name, v in values.items() if name.startswith("val_")}
            self._scalars("validation", {f"epoch_{name}": value for name, value in validation.items()}, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_test_end(self, logs=None):
        """Write an evaluation's values over the optimizer's steps."""
        if getattr(self.model, "optimizer", None) is None:
            return
        values = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
        self._scalars("validation", values, self._iterations())
        self._writer("validation").flush()

    def _iterations(self):
        optimizer = getattr(self.model, "optimizer", None)
        return 0 if optimizer is None else int(optimizer.iterations.numpy())

    def _learning_rates(self):
        optimizer = getattr(self.model, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if hasattr(optimizer, "optimizers"):
            return {f"learning_rate_{one.name}": float(one.learning_rate) for one in optimizer.optimizers}
        return {"learning_rate": float(optimizer.learning_rate)} if isinstance(optimizer, Optimizer) else {}

    # --- weights ---------------------------------------------------------------------------------------------------
    def _write_weights(self, epoch):
        writer = self._writer("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                name = weight.path.replace(":", "_")
                writer.add_histogram(f"{name}/histogram", weight.numpy(), epoch)
                image = _as_images(weight) if self.write_images else None
                if image is not None:
                    writer.add_images(f"{name}/image", image, epoch, dataformats="NHWC")

    def _describe_embeddings(self):
        from google.protobuf import text_format
        from tensorboard.plugins import projector

        config, given = projector.ProjectorConfig(), self.embeddings_metadata
        left = set() if given is None or isinstance(given, str) else set(given)
        for layer in self._embeddings():
            entry = config.embeddings.add(tensor_name=layer.name, tensor_path=self._table(layer))
            if isinstance(given, str):
                entry.metadata_path = given
            elif layer.name in left:
                left.remove(layer.name)
                entry.metadata_path = given[layer.name]
        if left:
            raise ValueError(
                "Unrecognized `Embedding` layer names passed to `keras.callbacks.TensorBoard` `embeddings_metadata` "
                f"argument: {sorted(left)}"
            )
        os.makedirs(self.log_dir, exist_ok=True)
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
            file.write(text_format.MessageToString(config))

    def _embeddings(self):
        return [layer for layer in self.model.layers if isinstance(layer, Embedding)]

    @staticmethod
    def _table(layer):
        return os.path.join("train", f"{layer.name}.tsv")

    def _write_embeddings(self, epoch):
        """The tables as the projector reads them, and all weights of this epoch, as Keras keeps them."""
        os.makedirs(self._train_dir, exist_ok=True)
        for layer in self._embeddings():
            path = os.path.join(self.log_dir, self._table(layer))
            np.savetxt(path, layer.embeddings.numpy(), fmt="%.8g", delimiter="\t")
        self.model.save_weights(os.path.join(self._train_dir, f"keras_embedding.ckpt-{epoch}.weights.h5"))

    # --- traces ----------------------------------------------------------------------------------------------------
    def _start_trace(self):
        from torch import profiler

        folder = os.path.join(self._train_dir, "plugins", "profile")
        self._profiler = profiler.profile(on_trace_ready=profiler.tensorboard_trace_handler(folder))
        self._profiler.start()

    def _stop_trace(self):
        if self._profiler is not None:
            self._profiler.stop()
            self._profiler = None


def _summary():
    try:
        from torch.utils.tensorboard import summary
    except ImportError as error:
        raise ImportError("keras.callbacks.TensorBoard needs TensorBoard: pip install tandem[tensorboard]") from error
    return summary


def _traced(profile_batch):
    """The first and the last batch to trace, (0, 0) for none."""
    found = profile_batch
    if isinstance(found, str):
        found = [int(part) for part in found.split(",")]
        found = found[0] if len(found) == 1 else found
    first, last = found if isinstance(found, (list, tuple)) and len(found) == 2 else (found, found)
    if not isinstance(first, int) or first < 0 or last < first:
        raise ValueError(
            explain(
                "`profile_batch` is wrong",
                expected="a non-negative integer, or 2-tuple of positive integers, the first and last batch to profile",
                given=f"profile_batch={profile_batch!r}",
            )
        )
    return first, last


def _as_images(weight):
    """A weight as images (number, height, width, channels), as Keras lays them out; None for what cannot be one."""
    image = ops.squeeze(weight.value)
    if image.ndim == 1:
        image = image[None, :, None, None]
    elif image.ndim == 2:
        image = (ops.transpose(image) if image.shape[0] > image.shape[1] else image)[None, :, :, None]
    elif image.ndim == 3:
        image = ops.transpose(image, (2, 0, 1))[..., None]
    if image.ndim != 4 or image.shape[-1] not in (1, 3, 4):
        return None
    return image.detach().cpu().numpy()
