"""A small convolutional network on handwritten digits, written for MXNet's Gluon.

python gluon_digits.py [RESULTS.npz]
"""

import sys

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

mx.random.seed(0)
np.random.seed(0)
ctx = mx.cpu()

digits = load_digits()
images = (digits.images / 16.0).astype("float32")[:, None]
x_train, x_test, y_train, y_test = train_test_split(
    images, digits.target.astype("float32"), test_size=360, random_state=0, stratify=digits.target
)
train_data = gluon.data.DataLoader(gluon.data.ArrayDataset(x_train, y_train), batch_size=32, shuffle=True)
test_data = gluon.data.DataLoader(gluon.data.ArrayDataset(x_test, y_test), batch_size=120)

net = nn.HybridSequential()
with net.name_scope():
    net.add(
        nn.Conv2D(channels=32, kernel_size=3, padding=1, activation="relu"),
        nn.BatchNorm(),
        nn.Conv2D(channels=32, kernel_size=3, activation="relu"),
        nn.MaxPool2D(pool_size=2, strides=2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Dense(64, activation="relu"),
        nn.Dense(10),
    )
net.initialize(mx.init.Xavier(), ctx=ctx)
net.hybridize()

softmax_cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
steps = -(-len(x_train) // 32)
schedule = mx.lr_scheduler.FactorScheduler(step=4 * steps, factor=0.5, base_lr=0.003)
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.003, "lr_scheduler": schedule})


def evaluate():
    metric = mx.metric.Accuracy()
    for data, label in test_data:
        metric.update(label.as_in_context(ctx), net(data.as_in_context(ctx)))
    return metric.get()[1]


losses, accuracies = [], []
for epoch in range(15):
    total = 0.0
    for data, label in train_data:
        data, label = data.as_in_context(ctx), label.as_in_context(ctx)
        with autograd.record():
            loss = softmax_cross_entropy(net(data), label)
        loss.backward()
        trainer.step(data.shape[0])
        total += loss.sum().asscalar()
    losses.append(total / len(x_train))
    accuracies.append(evaluate())
    print(f"Epoch {epoch + 1}: loss {losses[-1]:.4f}, test accuracy {accuracies[-1]:.4f}")

print(f"Test accuracy: {accuracies[-1]:.4f}")

if len(sys.argv) > 1:
    predicted = net(nd.array(x_test, ctx=ctx)).argmax(axis=1).asnumpy().astype("int64")
    np.savez(
        sys.argv[1],
        loss=losses,
        accuracy=accuracies,
        labels=y_test.astype("int64"),
        predicted=predicted,
        images=x_test[:, 0],
    )
