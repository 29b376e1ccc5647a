"""The models and their training steps in plain PyTorch, as one writes them by hand."""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

from models import MOBILENET_STAGES, NOISE, RESNET_STAGES, spec


def mlp(width=10, depth=2):
    hidden = []
    for number in range(depth):
        hidden += [nn.Linear(width if number else 10, width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(width, 1), nn.Sigmoid())


def cnn(width=32, depth=1):
    more = []
    for _ in range(depth - 1):
        more += [nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(
        nn.Conv2d(1, width, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3),
        nn.ReLU(),
        *more,
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(50 * width, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


class lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(16, 50, num_layers=3, batch_first=True)
        self.head = nn.Linear(50, 10)

    def forward(self, x):
        return self.head(self.recurrent(x)[0][:, -1])


def _normalized(inputs, filters, size, stride=1, groups=1, activation=None):
    convolution = nn.Conv2d(inputs, filters, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters), *([activation(inplace=True)] if activation else []))


class _Bottleneck(nn.Module):
    def __init__(self, inputs, filters, stride, project):
        super().__init__()
        self.body = nn.Sequential(
            _normalized(inputs, filters, 1, activation=nn.ReLU),
            _normalized(filters, filters, 3, stride, activation=nn.ReLU),
            _normalized(filters, 4 * filters, 1),
        )
        self.shortcut = _normalized(inputs, 4 * filters, 1, stride) if project else nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def resnet50():
    blocks, channels = [], 64
    for filters, count, first in RESNET_STAGES:
        for number in range(count):
            blocks.append(_Bottleneck(channels, filters, first if number == 0 else 1, number == 0))
            channels = 4 * filters
    return nn.Sequential(
        _normalized(3, 64, 7, 2, activation=nn.ReLU),
        nn.MaxPool2d(3, 2, 1),
        *blocks,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 1000),
    )


class _Inverted(nn.Module):
    def __init__(self, inputs, filters, expansion, stride):
        super().__init__()
        inside = expansion * inputs
        self.body = nn.Sequential(
            *([_normalized(inputs, inside, 1, activation=nn.ReLU6)] if expansion != 1 else []),
            _normalized(inside, inside, 3, stride, groups=inside, activation=nn.ReLU6),
            _normalized(inside, filters, 1),
        )
        self.residual = stride == 1 and inputs == filters

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def mobilenetv2():
    blocks, channels = [], 32
    for expansion, filters, count, first in MOBILENET_STAGES:
        for number in range(count):
            blocks.append(_Inverted(channels, filters, expansion, first if number == 0 else 1))
            channels = filters
    return nn.Sequential(
        _normalized(3, 32, 3, 2, activation=nn.ReLU6),
        *blocks,
        _normalized(channels, 1280, 1, activation=nn.ReLU6),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(1280, 1000),
    )


class _EncoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.second_norm = nn.LayerNorm(256, eps=1e-6), nn.LayerNorm(256, eps=1e-6)
        self.query, self.key, self.value, self.out = (nn.Linear(256, 256) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(256, 1024), nn.GELU(), nn.Linear(1024, 256))

    def forward(self, x):
        y = self.norm(x)
        heads = (part(y).unflatten(2, (4, 64)).transpose(1, 2) for part in (self.query, self.key, self.value))
        x = x + self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        return x + self.feed(self.second_norm(x))


class transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(*(_EncoderLayer() for _ in range(4)), nn.LayerNorm(256, eps=1e-6))
        self.head = nn.Linear(256, 10)

    def forward(self, x):
        return self.head(self.layers(x).mean(1))


class textcnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20000, 128)
        self.convolutions = nn.ModuleList(nn.Conv1d(128, 100, width) for width in (3, 4, 5))
        self.head = nn.Linear(300, 2)

    def forward(self, x):
        x = self.words(x).transpose(1, 2)
        pooled = torch.cat([F.relu(convolution(x)).amax(2) for convolution in self.convolutions], 1)
        return self.head(F.dropout(pooled, 0.5, self.training))


def autoencoder():
    sizes = (784, 128, 64, 32, 64, 128)
    hidden = [part for pair in itertools.pairwise(sizes) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(128, 784), nn.Sigmoid())


class word2vec(nn.Module):
    def __init__(self):
        super().__init__()
        self.target, self.context = nn.Embedding(10000, 128), nn.Embedding(10000, 128)

    def forward(self, target, context):
        return torch.bmm(self.context(context), self.target(target).transpose(1, 2)).squeeze(2)


def tiny1000():
    return nn.Sequential(*(part for _ in range(1000) for part in (nn.Linear(8, 8), nn.Tanh())))


class dcgan(nn.Module):
    """A generator, which is what is called, and its judge."""

    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(
            nn.Linear(NOISE, 7 * 7 * 128),
            nn.Unflatten(1, (128, 7, 7)),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(64, 1, 4, 2, 1),
            nn.Sigmoid(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 128, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Flatten(),
            nn.Linear(7 * 7 * 128, 1),
        )

    def forward(self, noise):
        return self.generator(noise)


def build(name):
    """The module of a name."""
    return globals()[name.partition(":")[0]](**spec(name).sizes)


LOSSES = {
    "binary": F.binary_cross_entropy,
    "onehot": F.cross_entropy,
    "sparse": F.cross_entropy,
    "mse": F.mse_loss,
    "logits": F.binary_cross_entropy_with_logits,
}


def _optimizer(name, parameters, how):
    kind, options = spec(name).optimizer
    if kind == "sgd":
        nesterov = options.get("nesterov", False)
        return torch.optim.SGD(parameters, options["learning_rate"], options["momentum"], nesterov=nesterov, **how)
    return torch.optim.Adam(parameters, options["learning_rate"], (options.get("beta_1", 0.9), 0.999), **how)


def _gan_step(net, first, second):
    judge = F.binary_cross_entropy_with_logits

    def step(real, _):
        count = len(real)
        ones, zeros = torch.ones(count, 1), torch.zeros(count, 1)
        fake = net.generator(torch.randn(count, NOISE))
        second.zero_grad()
        loss = judge(net.discriminator(torch.cat([real, fake.detach()])), torch.cat([ones, zeros]))
        loss.backward()
        second.step()
        first.zero_grad()
        generator_loss = judge(net.discriminator(net.generator(torch.randn(count, NOISE))), ones)
        generator_loss.backward()
        first.step()
        return loss.detach()

    return step


def step_of(name, net, how, autocast=False):
    """The training step of a net, `step(*inputs, target) -> loss`.

    how: arguments of the optimizer, such as {"fused": True}; autocast: run the forward pass in bfloat16.
    """
    loss_name = spec(name).loss
    if loss_name == "gan":
        parts = (net.generator.parameters(), net.discriminator.parameters())
        return _gan_step(net, *(_optimizer(name, part, how) for part in parts))
    loss_of, optimizer = LOSSES[loss_name], _optimizer(name, net.parameters(), how)

    def forward(*batch):
        *inputs, target = batch
        return loss_of(net(*inputs), target)

    def step(*batch):
        optimizer.zero_grad()
        if autocast:
            with torch.autocast("cpu", torch.bfloat16):
                loss = forward(*batch)
        else:
            loss = forward(*batch)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
