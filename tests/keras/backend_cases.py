"""Calls of Keras 2's backend functions, one to a name: `cases(K)` gives their results as arrays.

`python tests/keras/backend_cases.py tests/golden/keras2_backend.npz`, in an environment with tf_keras, writes the
real ones, with which `test_backend_functions.py` compares.
"""

import sys

import numpy as np


def cases(K):
    """name -> list of arrays, or None where K has no such function."""
    r = np.random.RandomState(0)
    a = r.randn(2, 3, 4).astype("float32")
    b = r.randn(2, 4, 5).astype("float32")
    m = r.rand(3, 4).astype("float32")
    v = r.rand(4).astype("float32")
    img = r.randn(2, 6, 7, 3).astype("float32")
    ker = r.randn(3, 3, 3, 4).astype("float32")
    dk = r.randn(3, 3, 3, 2).astype("float32")
    pk = r.randn(1, 1, 6, 5).astype("float32")
    kt = r.randn(3, 3, 4, 3).astype("float32")
    vol = r.randn(1, 4, 5, 6, 2).astype("float32")
    k3 = r.randn(2, 2, 2, 2, 3).astype("float32")
    seq = r.randn(2, 8, 3).astype("float32")
    k1 = r.randn(3, 3, 4).astype("float32")
    p = r.rand(3, 4).astype("float32")
    p /= p.sum(-1, keepdims=True)
    oh = np.eye(4, dtype="float32")[[0, 2, 3]]
    yb = (r.rand(3, 4) > 0.5).astype("float32")
    probs = r.rand(2, 6, 5).astype("float32")
    probs /= probs.sum(-1, keepdims=True)
    V = K.variable
    results = {}

    def c(name, f):
        try:
            o = f()

            def conv(o):
                if isinstance(o, (list, tuple)):
                    return [conv(i) for i in o]
                if isinstance(o, (int, float, bool, str, type(None))):
                    return o
                if isinstance(o, np.ndarray):
                    return o
                return np.asarray(K.eval(o))

            results[name] = flat(conv(o))
        except Exception:
            results[name] = None

    C = K.constant
    for n in "square sqrt exp log abs sign round sigmoid tanh sin cos softplus softsign hard_sigmoid relu elu softmax".split():
        c(n, lambda: getattr(K, n)(C(m if n in ("sqrt", "log") else a)))
    for n in "sum mean max min prod std var argmax argmin logsumexp any all cumsum cumprod".split():
        c(n + "0", lambda: getattr(K, n)(C(a)))
        c(n + "1", lambda: getattr(K, n)(C(a), axis=1))
        if n not in ("argmax", "argmin", "cumsum", "cumprod"):
            c(n + "k", lambda: getattr(K, n)(C(a), axis=[1, 2], keepdims=True))
    c("meanbool", lambda: K.mean(K.equal(K.argmax(C(p)), K.argmax(C(oh)))))
    c("dot", lambda: K.dot(C(a), C(m.T)))
    c("dot2", lambda: K.dot(C(a), C(r.randn(2, 4, 3).astype("f"))) if 0 else K.dot(C(m), C(m.T)))
    c("dotnd", lambda: K.dot(C(a), C(b)))
    for ax in (None, (2, 1), [1, 2] if 0 else (2, 1)):
        c(f"bd{ax}", lambda: K.batch_dot(C(a), C(b), axes=ax))
    c("bd22", lambda: K.batch_dot(C(m), C(m), axes=1))
    c("bd22n", lambda: K.batch_dot(C(m), C(m)))
    c("bd32", lambda: K.batch_dot(C(a), C(r.randn(2, 4).astype("f") * 0 + 1), axes=(2, 1)))
    c("bd32n", lambda: K.batch_dot(C(a), C(np.ones((2, 4), "f"))))
    c("bd23", lambda: K.batch_dot(C(np.ones((2, 4), "f")), C(b)))
    c("bd33_1", lambda: K.batch_dot(C(a), C(a), axes=1))
    c("bd33_2", lambda: K.batch_dot(C(a), C(a), axes=2))
    c("bd43", lambda: K.batch_dot(C(img), C(np.ones((2, 3, 5), "f"))))
    c("bd44", lambda: K.batch_dot(C(img), C(img.transpose(0, 1, 3, 2))))
    c("l2n", lambda: K.l2_normalize(C(a)))
    c("l2n1", lambda: K.l2_normalize(C(a), axis=1))
    c("clip", lambda: K.clip(C(a), -0.5, 0.5))
    c("clip2", lambda: K.clip(C(a), 0.5, -0.5))
    c("clip3", lambda: K.clip(C(a), None, 0.3))
    c("pow", lambda: K.pow(C(m), 2))
    c("perm", lambda: K.permute_dimensions(C(a), (0, 2, 1)))
    c("tr", lambda: K.transpose(C(m)))
    c("cat", lambda: K.concatenate([C(a), C(a)]))
    c("rep", lambda: K.repeat(C(m), 3))
    c("repe", lambda: K.repeat_elements(C(a), 2, axis=1))
    c("tile", lambda: K.tile(C(m), [2, 1]))
    c("tile2", lambda: K.tile(C(m), 2))
    c("flat", lambda: K.flatten(C(a)))
    c("bflat", lambda: K.batch_flatten(C(a)))
    c("resh", lambda: K.reshape(C(a), (-1, 4)))
    c("ed", lambda: K.expand_dims(C(m)))
    c("sq", lambda: K.squeeze(C(m[None]), 0))
    c("rev", lambda: K.reverse(C(a), 1))
    c("rev2", lambda: K.reverse(C(a), [1, 2]))
    c("gather", lambda: K.gather(C(m), np.array([0, 2])))
    c("slice", lambda: K.slice(C(a), [0, 1, 0], [2, 2, -1]))
    c("stack", lambda: K.stack([C(m), C(m)], axis=1))
    c("onehot", lambda: K.one_hot(C([0, 2], dtype="int32"), 4))
    c("arange", lambda: K.arange(5))
    c("arange2", lambda: K.arange(1, 9, 2, dtype="float32"))
    c("eye", lambda: K.eye(3))
    c("eye2", lambda: K.eye((2, 3)))
    c("swt", lambda: K.switch(C([[True], [False], [True]], dtype="bool"), C(m), C(m * 2)))
    c("sw1", lambda: K.switch(K.greater(C(1.0), C(0.0)), lambda: C(m), lambda: C(m * 2)))
    c("sw2", lambda: K.switch(K.greater(C(m), C(0.5)), C(m), C(m * 2)))
    c("sw3", lambda: K.switch(C([True, False, True], dtype="bool"), C(m), C(m * 2)))
    for n in ("relu",):
        c("relu_a", lambda: K.relu(C(a), alpha=0.1))
        c("relu_m", lambda: K.relu(C(a), max_value=0.5))
        c("relu_t", lambda: K.relu(C(a), threshold=0.3))
        c("relu_amt", lambda: K.relu(C(a), alpha=0.2, max_value=0.5, threshold=0.3))
    c("bce", lambda: K.binary_crossentropy(C(yb), C(p)))
    c("bcel", lambda: K.binary_crossentropy(C(yb), C(p), from_logits=True))
    c("cce", lambda: K.categorical_crossentropy(C(oh), C(p)))
    c("ccel", lambda: K.categorical_crossentropy(C(oh), C(p), from_logits=True))
    c("scce", lambda: K.sparse_categorical_crossentropy(C([0, 2, 3]), C(p)))
    c("scce_i", lambda: K.sparse_categorical_crossentropy(C([0, 2, 3]), C(p), ignore_class=2))
    c("bfc", lambda: K.binary_focal_crossentropy(C(yb), C(p), apply_class_balancing=True))
    c("cfc", lambda: K.categorical_focal_crossentropy(C(oh), C(p)))
    for pad in ("valid", "same"):
        for s in (1, 2):
            c(f"c2{pad}{s}", lambda: K.conv2d(C(img), C(ker), strides=(s, s), padding=pad))
            c(f"dc{pad}{s}", lambda: K.depthwise_conv2d(C(img), C(dk), strides=(s, s), padding=pad))
            c(f"sc{pad}{s}", lambda: K.separable_conv2d(C(img), C(dk), C(pk), strides=(s, s), padding=pad))
            c(f"p{pad}{s}", lambda: K.pool2d(C(img), (2, 2), strides=(s, s), padding=pad))
            c(f"pa{pad}{s}", lambda: K.pool2d(C(img), (2, 2), strides=(s, s), padding=pad, pool_mode="avg"))
            c(f"c1{pad}{s}", lambda: K.conv1d(C(seq), C(k1), strides=s, padding=pad))
            c(f"c3{pad}{s}", lambda: K.conv3d(C(vol), C(k3), strides=(s, s, s), padding=pad))
            c(f"p3{pad}{s}", lambda: K.pool3d(C(vol), (2, 2, 2), strides=(s, s, s), padding=pad))
    c("c1causal", lambda: K.conv1d(C(seq), C(k1), padding="causal", dilation_rate=2))
    c("c2d", lambda: K.conv2d(C(img), C(ker), dilation_rate=(2, 2)))
    c("c2cf", lambda: K.conv2d(C(img.transpose(0, 3, 1, 2)), C(ker), data_format="channels_first"))
    c("ct same", lambda: K.conv2d_transpose(C(img), C(kt), (2, 12, 14, 4), strides=(2, 2), padding="same"))
    c("ct same11", lambda: K.conv2d_transpose(C(img), C(kt), (2, 11, 13, 4), strides=(2, 2), padding="same"))
    c("ct valid", lambda: K.conv2d_transpose(C(img), C(kt), (2, 13, 15, 4), strides=(2, 2), padding="valid"))
    c("ba", lambda: K.bias_add(C(img), C(v[:3])))
    c("bacf", lambda: K.bias_add(C(img.transpose(0, 3, 1, 2)), C(v[:3]), data_format="channels_first"))
    c("ba2", lambda: K.bias_add(C(m), C(v)))
    c("tp", lambda: K.temporal_padding(C(seq)))
    c("sp", lambda: K.spatial_2d_padding(C(img)))
    c("sp3", lambda: K.spatial_3d_padding(C(vol)))
    c("ri", lambda: K.resize_images(C(img), 2, 3, "channels_last"))
    c("rib", lambda: K.resize_images(C(img), 2, 2, "channels_last", interpolation="bilinear"))
    c("rv", lambda: K.resize_volumes(C(vol), 2, 2, 2, "channels_last"))
    c("bn", lambda: K.batch_normalization(C(m), C(v), C(v), C(v), C(v)))
    c("nbt", lambda: list(K.normalize_batch_in_training(C(img), C(v[:3]), C(v[:3]), [0, 1, 2])))
    c(
        "ctc",
        lambda: K.ctc_batch_cost(
            C(np.array([[0, 1], [2, 2]])), C(probs), C(np.array([[6], [6]])), C(np.array([[2], [2]]))
        ),
    )
    c("ctcd", lambda: list(K.ctc_decode(C(probs), np.array([6, 5]))[0]))
    c("ctcdlp", lambda: K.ctc_decode(C(probs), np.array([6, 5]))[1])
    c(
        "ctcdb",
        lambda: list(K.ctc_decode(C(probs), np.array([6, 5]), greedy=False, top_paths=2, beam_width=10)[0]),
    )
    c("ctcdblp", lambda: K.ctc_decode(C(probs), np.array([6, 5]), greedy=False, top_paths=2, beam_width=10)[1])
    c("topk", lambda: K.in_top_k(C(p), C([0, 2, 3], dtype="int32"), 2))
    c("rnn", lambda: [*K.rnn(lambda x, s: (x + s[0], [x + s[0]]), C(seq), [C(np.zeros((2, 3), "f"))])])
    mask = np.ones((2, 8), bool)
    mask[0, 5:] = False
    c(
        "rnnm",
        lambda: [
            *K.rnn(lambda x, s: (x + s[0], [x + s[0]]), C(seq), [C(np.zeros((2, 3), "f"))], mask=C(mask, dtype="bool"))
        ],
    )
    c(
        "rnnb",
        lambda: [
            *K.rnn(
                lambda x, s: (x + s[0], [x + s[0]]),
                C(seq),
                [C(np.zeros((2, 3), "f"))],
                go_backwards=True,
                mask=C(mask, dtype="bool"),
                zero_output_for_mask=True,
            )
        ],
    )
    c(
        "rnnlast",
        lambda: [
            *K.rnn(
                lambda x, s: (x * s[1], [x + s[0]]),
                C(seq),
                [C(np.zeros((2, 3), "f"))],
                constants=[C(2.0)],
                return_all_outputs=False,
            )
        ],
    )
    c("map", lambda: K.map_fn(lambda x: x * 2, C(m)))
    c("foldl", lambda: K.foldl(lambda x, y: x * 2 + y, C(m)))
    c("foldr", lambda: K.foldr(lambda x, y: x * 2 + y, C(m), initializer=C(v)))
    c("size", lambda: K.size(C(m)))
    c("cp", lambda: int(K.count_params(V(m))))
    c("nd", lambda: K.ndim(V(m)))
    c("dtype", lambda: K.dtype(V(m)))
    c("ish", lambda: list(K.int_shape(V(m))))
    c("ctf", lambda: K.cast_to_floatx(np.arange(3.0)))
    x = V(m)
    c("ua", lambda: K.update_add(x, C(m)))
    c("us", lambda: K.update_sub(x, C(m)))
    c("mau", lambda: K.moving_average_update(V(m), C(m * 2), 0.9))
    c("zl", lambda: K.zeros_like(C(m)))
    c("const", lambda: K.constant(3, shape=(2, 2)))
    c("max", lambda: K.maximum(C(m), C(0.5)))
    c("gt", lambda: K.greater(C(m), 0.5))
    c("round", lambda: K.round(C([0.5, 1.5, 2.5])))

    return results


def flat(value):
    """A nest of lists as a flat list of arrays."""
    if isinstance(value, list):
        return [leaf for item in value for leaf in flat(item)]
    return [np.asarray(value)]


if __name__ == "__main__":
    import tf_keras.backend

    found = cases(tf_keras.backend)
    np.savez_compressed(
        sys.argv[1],
        **{f"{name}|{i}": array for name, arrays in found.items() if arrays for i, array in enumerate(arrays)},
    )
