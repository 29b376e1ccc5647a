"""Time of one training step under `fit`, in one process: `fit_step.py PEER MODEL` prints milliseconds a step.

PEER: tandem, torch (the loop written by hand: the best of contiguous and channels_last, fused and plain updates),
keras-torch, keras-jax.
MODEL: mlp (10-10-10-1, batch 32, SGD with Nesterov momentum), cnn (28x28, Adam), lstm (three LSTM(50), Adam).
Every peer gets the same numpy data, shuffles it in each epoch, and is warmed up first. Keras's and Tandem's `fit`
also keep the accuracy; the loop by hand keeps the loss alone.
"""

import itertools
import json
import os
import sys
import time

import numpy as np

BATCH = 32
SIZES = {"mlp": (3200, 8), "cnn": (640, 3), "lstm": (640, 3)}  # samples, timed epochs


def data(model):
    """The arrays that a model learns from."""
    rng = np.random.default_rng(0)
    count = SIZES[model][0]
    if model == "mlp":
        return rng.random((count, 10), dtype="float32"), rng.integers(0, 2, (count, 1)).astype("float32")
    shape = (28, 28, 1) if model == "cnn" else (50, 16)
    labels = np.eye(10, dtype="float32")[rng.integers(0, 10, count)]
    return rng.random((count, *shape), dtype="float32"), labels


def keras_model(keras, model):
    """The listings' models in Keras."""
    layers = keras.layers
    if model == "mlp":
        net = keras.Sequential(
            [
                keras.Input((10,)),
                layers.Dense(10, activation="relu"),
                layers.Dense(10, activation="relu"),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
        optimizer = keras.optimizers.SGD(learning_rate=0.01, momentum=0.9, nesterov=True)
        net.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        return net
    if model == "cnn":
        net = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(32, (3, 3), activation="relu"),
                layers.MaxPooling2D((2, 2)),
                layers.Conv2D(64, (3, 3), activation="relu"),
                layers.MaxPooling2D((2, 2)),
                layers.Flatten(),
                layers.Dense(64, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )
    else:
        net = keras.Sequential(
            [
                keras.Input((50, 16)),
                layers.LSTM(50, return_sequences=True),
                layers.LSTM(50, return_sequences=True),
                layers.LSTM(50),
                layers.Dense(10, activation="softmax"),
            ]
        )
    net.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return net


def time_keras(keras, model):
    x, y = data(model)
    net = keras_model(keras, model)
    epochs = SIZES[model][1]
    net.fit(x, y, batch_size=BATCH, epochs=2, verbose=0)
    start = time.perf_counter()
    net.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return (time.perf_counter() - start) / (epochs * len(x) // BATCH)


def torch_net(torch, model):
    """The listings' models in plain PyTorch."""
    nn = torch.nn
    if model == "mlp":
        return nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1), nn.Sigmoid())
    if model == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1600, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(16, 50, num_layers=3, batch_first=True)
            self.head = nn.Linear(50, 10)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    return Recurrent()


def time_torch(model):
    import torch

    x, y = (torch.from_numpy(array) for array in data(model))
    layouts = [torch.contiguous_format]
    if model == "cnn":
        x = x.permute(0, 3, 1, 2).contiguous()
        layouts.append(torch.channels_last)
    loss_of = torch.nn.functional.binary_cross_entropy if model == "mlp" else torch.nn.functional.cross_entropy
    best = float("inf")
    for layout, fused in itertools.product(layouts, (True, False)):
        net = torch_net(torch, model).to(memory_format=layout)
        inputs = x.contiguous(memory_format=layout) if model == "cnn" else x
        if model == "mlp":
            optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, nesterov=True, fused=fused)
        else:
            optimizer = torch.optim.Adam(net.parameters(), fused=fused)

        def epoch(net=net, inputs=inputs, optimizer=optimizer):
            order = torch.randperm(len(inputs))
            total = torch.zeros(())
            for begin in range(0, len(inputs), BATCH):
                chosen = order[begin : begin + BATCH]
                optimizer.zero_grad()
                loss = loss_of(net(inputs[chosen]), y[chosen])
                loss.backward()
                optimizer.step()
                total += loss.detach()
            return total.item()

        epoch()
        epochs = SIZES[model][1]
        start = time.perf_counter()
        for _ in range(epochs):
            epoch()
        best = min(best, (time.perf_counter() - start) / (epochs * len(inputs) // BATCH))
    return best


def main():
    peer, model = sys.argv[1:3]
    if peer == "torch":
        seconds = time_torch(model)
    elif peer == "tandem":
        from tandem import keras

        seconds = time_keras(keras, model)
    else:
        os.environ["KERAS_BACKEND"] = peer.removeprefix("keras-")
        import keras

        seconds = time_keras(keras, model)
    print(json.dumps({"peer": peer, "model": model, "milliseconds": seconds * 1e3}))


if __name__ == "__main__":
    main()
