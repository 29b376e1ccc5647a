"""The benchmarks' models: sizes, data and hyperparameters here, the definitions in a file to a family of frameworks.

A name may carry sizes: `spec("mlp:batch=128,width=64")`. Every peer gets the same numpy arrays.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Spec:
    """What a model is trained on and how; `loss` and `optimizer` are names that each family of peers has its own for.

    batch, steps: rows of a batch, batches of an epoch; warmup, epochs: epochs before the timing, epochs timed;
    loss: "binary" (probabilities), "onehot" (classes as vectors), "sparse" (logits, classes as numbers), "mse",
    "logits" (several binary ones) or "gan"; sizes: what the definitions take; rounds: how often it is measured at most.
    """

    title: str
    loss: str
    optimizer: tuple
    batch: int = 32
    steps: int = 20
    warmup: int = 2
    epochs: int = 5
    images: bool = False
    rounds: int = 5
    sizes: dict = dataclasses.field(default_factory=dict)


SGD = ("sgd", {"learning_rate": 0.01, "momentum": 0.9})
NESTEROV = ("sgd", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True})
ADAM = ("adam", {"learning_rate": 0.001})
HEAVY = {"batch": 8, "steps": 2, "epochs": 3, "images": True, "rounds": 3}

SPECS = {
    "mlp": Spec("10-10-10-1, batch 32, SGD with Nesterov momentum", "binary", NESTEROV, steps=100, epochs=8),
    "cnn": Spec("CNN 28x28, batch 32, Adam", "onehot", ADAM, images=True),
    "lstm": Spec("three LSTM(50), 50 steps of 16, batch 32, Adam", "onehot", ADAM),
    "resnet50": Spec("ResNet-50, 224x224, batch 8, SGD with momentum", "sparse", SGD, **HEAVY),
    "mobilenetv2": Spec("MobileNetV2, 224x224, batch 8, SGD with momentum", "sparse", SGD, **HEAVY),
    "transformer": Spec(
        "Transformer encoder, 4 layers of 256, 4 heads, 128 tokens, batch 16, Adam",
        "sparse", ADAM, batch=16, steps=4, epochs=4, rounds=4,
    ),
    "textcnn": Spec(
        "TextCNN, 20000x128 words, 200 tokens, widths 3, 4, 5, batch 64, Adam", "sparse", ADAM, batch=64, steps=5,
    ),
    "dcgan": Spec(
        "DCGAN 28x28, batch 64, two Adams, custom train_step",
        "gan", ("adam", {"learning_rate": 2e-4, "beta_1": 0.5}), batch=64, steps=4, images=True, rounds=4,
    ),
    "autoencoder": Spec("autoencoder 784-128-64-32-64-128-784, batch 256, Adam", "mse", ADAM, batch=256),
    "word2vec": Spec(
        "word2vec, 10000 words of 128, 5 negatives, batch 1024, Adam", "logits", ADAM, batch=1024, steps=10,
    ),
    # So long a recording becomes machine code after about a hundred runs.
    "tiny1000": Spec("1,000 layers Dense(8), batch 32, SGD", "mse", SGD, steps=10, warmup=12, epochs=3, rounds=3),
}  # fmt: skip

# What the geometric mean is taken over.
MAIN = ("cnn", "lstm", "resnet50", "mobilenetv2", "transformer")
NOISE = 100  # width of what a DCGAN's generator takes


def spec(name):
    """The `Spec` of a name, with the sizes that it carries."""
    base, _, given = name.partition(":")
    sizes = {key: int(value) for key, value in (pair.split("=") for pair in given.split(",") if pair)}
    found = SPECS[base]
    return dataclasses.replace(found, batch=sizes.pop("batch", found.batch), sizes=sizes)


def data(name, count):
    """(inputs, targets) for training: a tuple of arrays, an array (None where there is no target); images are NHWC."""
    rng = np.random.default_rng(0)
    base = name.partition(":")[0]

    def uniform(*shape):
        return (rng.random((count, *shape), dtype="float32"),)

    def classes(number):
        return rng.integers(0, number, count)

    if base == "mlp":
        return uniform(10), rng.integers(0, 2, (count, 1)).astype("float32")
    if base in ("cnn", "lstm"):
        return uniform(*((28, 28, 1) if base == "cnn" else (50, 16))), np.eye(10, dtype="float32")[classes(10)]
    if base in ("resnet50", "mobilenetv2"):
        return uniform(224, 224, 3), classes(1000)
    if base == "transformer":
        return uniform(128, 256), classes(10)
    if base == "textcnn":
        return (rng.integers(0, 20000, (count, 200)),), classes(2)
    if base == "dcgan":
        return uniform(28, 28, 1), None
    if base == "autoencoder":
        inputs = uniform(784)
        return inputs, inputs[0]
    if base == "word2vec":
        words = rng.integers(0, 10000, (count, 1)), rng.integers(0, 10000, (count, 6))
        return words, np.eye(6, dtype="float32")[np.zeros(count, "int64")]
    return uniform(8), rng.random((count, 8), dtype="float32")


def requests(name, count):
    """Inputs for prediction: a tuple of arrays."""
    if name.partition(":")[0] == "dcgan":
        return (np.random.default_rng(1).normal(size=(count, NOISE)).astype("float32"),)
    return data(name, count)[0]


# (expansion, filters, repetitions, stride) of MobileNetV2's stages (Sandler et al., 2018, table 2).
MOBILENET_STAGES = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
]  # fmt: skip
# (filters inside, repetitions, stride) of ResNet-50's stages (He et al., 2015, table 1; the stride is the 3x3's).
RESNET_STAGES = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]
