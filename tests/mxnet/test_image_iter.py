"""`mx.image.ImageIter` against the real MXNet: orders, labels, pixels, what happens to the last batch."""

import numpy as np
import pytest
from PIL import Image

import tandem.mxnet as mx
from mxnet_parity import same_code, same_expressions


@pytest.fixture
def pictures(tmp_path):
    """A folder with seven pictures, record and list files; a string that ends with '/'."""
    for number in range(7):
        y, x = np.mgrid[0 : 20 + number, 0 : 24 - number]
        pixels = np.stack([x * 8 + number * 10, y * 8, (x + y) * 4], 2).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.jpg").write_bytes(b"nonsense")
    (tmp_path / "one.lst").write_text("".join(f"{i + 10}\t{i}.0\t{i}.png\n" for i in range(7)))
    (tmp_path / "two.lst").write_text("".join(f"{i}\t{i}.0\t{i * 2}.5\t{i}.png\n" for i in range(7)))
    for name, label in (("one", float), ("two", lambda i: [i, 2.0 * i])):
        writer = mx.recordio.MXIndexedRecordIO(str(tmp_path / f"{name}.idx"), str(tmp_path / f"{name}.rec"), "w")
        for number in range(7):
            header = mx.recordio.IRHeader(0, label(number), number, 0)
            writer.write_idx(number + 3, mx.recordio.pack(header, (tmp_path / f"{number}.png").read_bytes()))
        writer.close()
    return f"{tmp_path}/"


_SETUP = """
import random
I = mx.image.ImageIter
items = [[float(i), '%d.png' % i] for i in range(7)]
"""


@pytest.mark.oracle
@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
@pytest.mark.parametrize(
    "source",
    [
        "dict(imglist=items, path_root=d)",
        "dict(path_imglist=d + 'one.lst', path_root=d, shuffle=True)",
        "dict(path_imgrec=d + 'one.rec')",
        "dict(path_imgrec=d + 'one.rec', path_imgidx=d + 'one.idx')",
        "dict(path_imgrec=d + 'one.rec', path_imgidx=d + 'one.idx', shuffle=True)",
    ],
)
def test_epochs(pictures, source, handle):
    code = (
        _SETUP
        + f"""
random.seed(1)
found = []
for size in (3, 7, 5):
    it = I(size, (3, 16, 14), last_batch_handle={handle!r}, **{source})
    for epoch in range(3):
        found.append([[b.data, b.label, b.pad, b.index] for b in it])
        found.append([it.cur, it.seq, it.num_image])
        it.reset()
    it.next()
    it.reset()
    found.append([[b.label, b.pad] for b in it])
    it.hard_reset()
    found.append([[b.label, b.pad] for b in it])
found.append(random.random())
"""
    )
    same_code(code, ["found"], d=pictures, atol=1e-3)


@pytest.mark.oracle
def test_augmented_pixels(pictures):
    code = (
        _SETUP
        + """
random.seed(4); np.random.seed(4)
found = []
for more in (dict(rand_crop=True, rand_mirror=True, brightness=.1, mean=True, std=True, resize=18),
             dict(rand_crop=True, rand_resize=True, hue=.1, pca_noise=.1, rand_gray=.3, inter_method=9),
             dict(aug_list=[mx.image.ForceResizeAug((14, 16)),
                            mx.image.RandomOrderAug([mx.image.HorizontalFlipAug(.5), mx.image.CastAug()])])):
    it = I(4, (3, 16, 14), imglist=items, path_root=d, shuffle=True, **more)
    found.append([[b.data, b.label] for b in it])
found.append(random.random())
"""
    )
    same_code(code, ["found"], d=pictures, rtol=1e-4, atol=5e-3)


@pytest.mark.oracle
def test_arguments(pictures):
    calls = """
        I(3, (3, 16, 16))
        I(3, (3, 16, 16), imglist=())
        I(3, (1, 16, 16), imglist=items)
        I(3, (16, 16), imglist=items)
        I(3, (3, 16, 16), imglist=items, dtype='uint8')
        I(3, (3, 16, 16), imglist=items, foo=3)
        I(3, (3, 16, 16), path_imgrec=d + 'one.rec', shuffle=True)
        I(3, (3, 16, 16), path_imgrec=d + 'one.rec', num_parts=2)
        I(2, (3, 16, 16), imglist=items, num_parts=3, part_index=3)
        I(3, (3, 16, 16), path_imgrec=d + 'none.rec')
        I(3, (3, 16, 16), path_imglist=d + 'none.lst')
        labels(path_imglist=d + 'two.lst', path_root=d, label_width=2)
        labels(path_imglist=d + 'two.lst', path_root=d)
        labels(path_imgrec=d + 'two.rec', label_width=2)
        labels(path_imgrec=d + 'two.rec')
        labels(path_imgrec=d + 'one.rec', path_imglist=d + 'one.lst')
        labels(path_imgrec=d + 'one.rec', path_imgidx=d + 'one.idx', path_imglist=d + 'one.lst')
        [labels(imglist=items, path_root=d, num_parts=3, part_index=k) for k in range(3)]
        labels(imglist=[[1.0, 2.0, '1.png'], [3, 4, '2.png']], path_root=d, label_width=2)
        labels(imglist=[[onp.array([1.0, 2.0]), '1.png'], [[3, 4], '2.png']], path_root=d, label_width=2)
        labels(imglist=[[nd.array([1.0]), '1.png'], [[3], '2.png']], path_root=d)
        labels(imglist=[[1, 'bad.jpg'], [2, '1.png']], path_root=d)
        labels(imglist=[[1, 'none.jpg'], [2, '1.png']], path_root=d)
        labels(imglist=items)
        labels(imglist=items, path_root=d, aug_list=[])
        I(20, (3, 16, 16), imglist=items, path_root=d).next().pad
        I(2, (3, 16, 16), path_imglist=d + 'one.lst', dtype='float64').imglist[10][0]
        I(2, (3, 16, 16), imglist=items, data_name='a', label_name='b').provide_data
        I(2, (3, 16, 16), imglist=items, data_name='a', label_name='b', label_width=2).provide_label
        list(I(2, (3, 16, 16), imglist=items).imglist)
        [isinstance(I(2, (3, 16, 16), imglist=items), mx.io.DataIter), mx.image.image.ImageIter is I]
    """
    setup = (
        _SETUP
        + f"""
d = {pictures!r}
def labels(**given):
    return [[b.label[0], b.pad] for b in I(3, (3, 16, 16), **given)]
"""
    )
    same_expressions(calls, setup)


@pytest.mark.oracle
def test_parts_that_a_subclass_overrides(pictures):
    code = (
        _SETUP
        + """
class Mine(I):
    def read_image(self, fname):
        log.append(fname)
        return super().read_image(fname)
    def imdecode(self, s):
        return super().imdecode(s)[:, :, ::-1]
    def check_valid_image(self, data):
        if data[0].shape[0] == 22:
            raise RuntimeError('left out')
    def augmentation_transform(self, data):
        return super().augmentation_transform(data) + 1
    def postprocess_data(self, datum):
        return nd.transpose(datum, axes=(2, 0, 1)) * 2
log = []
it = Mine(3, (3, 16, 16), imglist=items, path_root=d)
found = [[b.data, b.label, b.pad] for b in it]
it.reset()
label, content = it.next_sample()
found.append([label, len(content)])
"""
    )
    same_code(code, ["found", "log"], d=pictures)


def test_a_broken_image_is_named(pictures):
    it = mx.image.ImageIter(2, (3, 16, 16), imglist=[[1, "1.png"], [2, "bad.jpg"]], path_root=pictures)
    with pytest.raises(RuntimeError, match=r"filename: bad\.jpg"):
        it.next()
    with pytest.raises(ValueError, match="last_batch_handle"):
        mx.image.ImageIter(2, (3, 16, 16), imglist=[], last_batch_handle="wrap")
    record = mx.image.ImageIter(2, (3, 16, 16), path_imgrec=pictures + "one.rec")
    with pytest.raises(RuntimeError, match=r"one\.rec"):
        record.imdecode(b"nonsense")


def test_training_with_images(pictures):
    """As the tutorials do: an iterator, a small net, an epoch."""
    mx.random.seed(0)
    it = mx.image.ImageIter(4, (3, 16, 16), imglist=[[i % 2, f"{i}.png"] for i in range(7)], path_root=pictures)
    net = mx.gluon.nn.Sequential()
    net.add(mx.gluon.nn.Conv2D(4, 3, activation="relu"), mx.gluon.nn.Dense(2))
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam")
    loss_of = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    losses = []
    for _ in range(15):
        it.reset()
        for batch in it:
            with mx.autograd.record():
                loss = loss_of(net(batch.data[0] / 255), batch.label[0])
            loss.backward()
            trainer.step(4)
            losses.append(loss.mean().asscalar())
    assert losses[-1] < losses[0]
