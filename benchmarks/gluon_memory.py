"""Memory of a Gluon loop that never waits: `gluon_memory.py [STEPS]` prints the process's megabytes on the way.

The loop is a perceptron's training, imperative and hybridized, with no asnumpy, asscalar or waitall in it.
"""

import sys

import gluon_step

import tandem.mxnet as mx


def resident():
    """Megabytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


def loop(hybrid, steps):
    """Train and print."""
    net, loss = gluon_step.gluon_net(mx.gluon.nn, mx.gluon.rnn, "mlp"), mx.gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize()
    if hybrid:
        net.hybridize()
        loss.hybridize()
    batches = [(mx.nd.array(x), mx.nd.array(y)) for x, y in gluon_step.data("mlp")]
    trainer, accuracy = mx.gluon.Trainer(net.collect_params(), "adam"), mx.metric.Accuracy()
    for step in range(steps + 1):
        if step % (steps // 5) == 0:
            print(f"{'hybridized' if hybrid else 'imperative'} {step:6} steps {resident():8.1f} MB", flush=True)
        x, y = batches[step % 8]
        with mx.autograd.record():
            out = net(x)
            value = loss(out, y)
        value.backward()
        trainer.step(32)
        accuracy.update(y, out)


if __name__ == "__main__":
    for hybrid in (False, True):
        loop(hybrid, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
