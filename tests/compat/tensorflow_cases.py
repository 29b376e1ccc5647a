"""Expressions of `tf`, one a line: the real TensorFlow and Tandem's names must give the same values and dtypes.

Seen are tf, np, the values and the functions below. Run as a script by either, this writes what they give into a file.
"""

# ruff: noqa: E501 (an expression is a line)

VALUES = """
r = np.random.RandomState(0)
x = tf.constant(r.randn(3, 4).astype("float32"))
y = tf.constant(r.randn(3, 4).astype("float32"))
p = tf.constant(r.rand(3, 4).astype("float32") + 0.1)
b = tf.constant(r.randn(2, 3, 4).astype("float32"))
i = tf.constant([[3, -1, 2], [0, 5, 4]])
t = tf.constant([True, False, True])
m = tf.constant(r.randn(2, 3, 3).astype("float32"))
s = tf.matmul(m, m, transpose_b=True) + 3 * tf.eye(3)
g = tf.constant(r.rand(2, 8, 6, 3).astype("float32"))
u = tf.constant((r.rand(7, 5, 3) * 255).astype("uint8"))
w = tf.constant(["Hello World", "a,b", "x-1 Y"])
rag = tf.ragged.constant([[1, 2, 3], [], [4]])
"""

TENSORS = """
tf.constant(3)
tf.constant(2.5)
tf.constant([1, 2], dtype=tf.float64)
tf.constant(np.array([1.5, 2]))
tf.constant(7, shape=(2, 3))
tf.constant(2 ** 40)
tf.constant([True, False])
tf.convert_to_tensor([1, 2, 3])
tf.convert_to_tensor([tf.constant(1.0), tf.constant(2.0)])
tf.convert_to_tensor([[1.0, x[0, 0]], [x[1, 1], 2.0]])
x + 1
2 - x
x + np.ones((3, 4))
np.ones((3, 4)) * x
x * [1.0, 2.0, 3.0, 4.0]
i / 2
i // 2
i % 3
-i
abs(x)
x ** 2
2.0 ** x
x > 0
x == x
x @ tf.transpose(y)
~t
t & tf.constant([True, True, False])
x[1]
x[:, 1:3]
x[..., tf.newaxis]
x[::-1]
x[:, ::-2]
x[-1, -2]
b[:, tf.newaxis, ..., 0]
b[0, ::-1, 1]
i[tf.constant(1)]
tf.cast(x, tf.int32)
tf.cast(i, tf.float32)
tf.cast(t, "float32")
tf.cast(300, tf.uint8)
tf.saturate_cast([300.0, -5.0], tf.uint8)
tf.shape(b)
tf.size(b)
tf.rank(b)
tf.shape(b)[1] * 2
tf.concat([tf.shape(b)[:-1], [7]], axis=0)
tf.reshape(b, [-1, 4])
tf.reshape(b, tf.stack([tf.shape(b)[0], -1]))
tf.transpose(b)
tf.transpose(b, [1, 0, 2])
tf.expand_dims(x, 1)
tf.expand_dims(x, -1)
tf.squeeze(tf.ones((1, 3, 1)))
tf.squeeze(tf.ones((1, 3, 1)), axis=0)
tf.concat([x, y], 0)
tf.concat([x, y], axis=-1)
tf.stack([x, y])
tf.stack([x, y], axis=1)
tf.unstack(i)
tf.unstack(x, axis=1)
tf.split(x, 2, axis=1)
tf.split(x, [1, -1], axis=1)
tf.tile(i, [2, 1])
tf.repeat(i, 2)
tf.repeat(i, [1, 2, 3], axis=1)
tf.gather(x, [2, 0])
tf.gather(x, [[0, 1], [1, 0]], axis=1)
tf.gather(b, [[0, 2], [1, 1]], batch_dims=1)
tf.gather(b, [[0, 2], [1, 1]], axis=2, batch_dims=1)
tf.gather_nd(b, [[0, 1], [1, 2]])
tf.gather_nd(b, [[[0, 1, 2]], [[1, 2, 3]]])
tf.gather_nd(b, [[[0], [1]], [[1], [2]]], batch_dims=1)
tf.scatter_nd([[1], [3], [1]], [9, 10, 1], [5])
tf.tensor_scatter_nd_update(x, [[0, 0], [2, 1]], [5.0, 6.0])
tf.tensor_scatter_nd_add(x, [[0], [0]], tf.ones((2, 4)))
tf.tensor_scatter_nd_sub(i, [[1]], [[1, 1, 1]])
tf.boolean_mask(x, t)
tf.boolean_mask(i, [True, False, True], axis=1)
tf.where(x > 0)
tf.where(x > 0, x, 0.0)
tf.where(t[:, None], x, y)
tf.range(5)
tf.range(2, 10, 3)
tf.range(0.0, 1.0, 0.25)
tf.range(5, dtype=tf.float32)
tf.linspace(0.0, 1.0, 5)
tf.zeros((2, 3))
tf.zeros([2], tf.int32)
tf.ones(3)
tf.fill([2, 2], 7)
tf.eye(3)
tf.eye(2, 3, batch_shape=[2])
tf.zeros_like(i)
tf.ones_like(x, dtype=tf.int32)
tf.one_hot([0, 2, -1], 3)
tf.one_hot([0, 1], 3, on_value=5, off_value=-1)
tf.one_hot([[0, 1]], 3, axis=1)
tf.pad(i, [[1, 0], [0, 2]])
tf.pad(x, [[1, 1], [2, 2]], mode="REFLECT")
tf.pad(x, [[1, 1], [2, 2]], "SYMMETRIC")
tf.pad(x, [[0, 1], [1, 0]], constant_values=9)
tf.reverse(x, [0])
tf.roll(x, shift=1, axis=0)
tf.roll(x, shift=[1, -1], axis=[0, 1])
tf.slice(b, [0, 1, 1], [2, -1, 2])
tf.strided_slice(x, [0, 0], [3, 4], [2, 2])
tf.sort(x, direction="DESCENDING")
tf.sort(x, axis=0)
tf.argsort(i)
tf.argsort(i, direction="DESCENDING", axis=0)
tf.searchsorted([1, 3, 5], [2, 5])
tf.unique([4, 1, 4, 2])
tf.unique_with_counts([4, 1, 4, 2])
tf.meshgrid([1, 2, 3], [4, 5])
tf.meshgrid([1, 2, 3], [4, 5], indexing="ij")
tf.sequence_mask([1, 3, 2])
tf.sequence_mask([1, 3], 5, dtype=tf.float32)
tf.broadcast_to(t, [2, 3])
tf.identity(x)
tf.dynamic_partition([1, 2, 3, 4], [0, 1, 0, 1], 2)
tf.bitcast(tf.constant(1.0), tf.int32)
np.mean(x)
np.argmax(x, axis=1)
np.concatenate([x, y])
np.sqrt(p)
np.reshape(b, (-1, 3))
np.asarray(x).dtype.name
len(x)
[float(v) for v in x[0]]
"""

MATH = """
tf.reduce_sum(x)
tf.reduce_sum(i, axis=1)
tf.reduce_mean(i)
tf.reduce_mean(i, axis=0)
tf.reduce_mean(b, [0, 2], keepdims=True)
tf.reduce_max(x, axis=-1)
tf.reduce_min(i)
tf.reduce_prod(i, axis=0)
tf.reduce_any(t)
tf.reduce_all(t)
tf.reduce_logsumexp(x, axis=1)
tf.math.reduce_std(x)
tf.math.reduce_variance(x, axis=0)
tf.math.reduce_euclidean_norm(x, axis=0)
tf.argmax(x, 1)
tf.argmin(x)
tf.argmax(i, axis=-1, output_type=tf.int32)
tf.cumsum(x, axis=1)
tf.cumsum(i, exclusive=True)
tf.cumsum(i, axis=1, reverse=True)
tf.math.cumprod(i, axis=1, exclusive=True, reverse=True)
tf.add(x, 1)
tf.add_n([x, y, x])
tf.subtract(1.0, x)
tf.multiply(x, y)
tf.divide(x, y)
tf.divide(i, 2)
tf.truediv(i, 2)
tf.math.divide_no_nan(x, tf.zeros_like(x))
tf.math.floordiv(i, 2)
tf.math.floormod(i, 3)
tf.math.mod(-7, 3)
tf.pow(p, 2)
tf.square(x)
tf.sqrt(p)
tf.math.rsqrt(p)
tf.exp(x)
tf.math.log(p)
tf.math.log1p(p)
tf.abs(i)
tf.sign(x)
tf.round([0.5, 1.5, 2.5, -0.5])
tf.floor(x)
tf.math.ceil(x)
tf.maximum(x, 0.0)
tf.minimum(x, y)
tf.math.squared_difference(x, y)
tf.equal(i, 2)
tf.not_equal(i, 2)
tf.greater(x, y)
tf.less_equal(i, 2)
tf.logical_and(t, [True, True, False])
tf.logical_not(t)
tf.math.logical_xor(t, True)
tf.clip_by_value(x, -0.5, 0.5)
tf.clip_by_value(i, 0, 3)
tf.clip_by_norm(x, 1.0)
tf.clip_by_norm(x, 1.0, axes=1)
tf.clip_by_global_norm([x, y], 1.0)
tf.linalg.global_norm([x, y])
tf.norm(x)
tf.norm(x, axis=1)
tf.norm(x, ord=1, axis=0, keepdims=True)
tf.norm(x, ord=np.inf)
tf.linalg.normalize(x, axis=1)
tf.matmul(x, y, transpose_b=True)
tf.matmul(m, m)
tf.tensordot(x, tf.transpose(y), axes=1)
tf.tensordot(x, y, axes=[[0], [0]])
tf.einsum("bij,kj->bik", b, x)
tf.math.top_k(x, 2)
tf.math.in_top_k([1, 0, 2], x, 2)
tf.math.confusion_matrix([0, 1, 1], [0, 1, 0])
tf.math.bincount([1, 1, 3])
tf.math.segment_sum(x, [0, 0, 1])
tf.math.segment_mean(x, [0, 0, 1])
tf.math.segment_min(x, [0, 0, 1])
tf.math.unsorted_segment_sum(x, [1, 0, 1], 3)
tf.math.is_nan([1.0, np.nan])
tf.math.sigmoid(x)
tf.math.softplus(x)
tf.math.erf(x)
tf.math.lgamma(p)
tf.math.digamma(p)
tf.math.l2_normalize(x, axis=1)
tf.math.xlogy([0.0, 2.0], [0.0, 3.0])
tf.math.polyval([1.0, 2.0, 3.0], 2.0)
tf.math.count_nonzero(i)
tf.math.zero_fraction(i)
tf.complex([1.0], [2.0])
tf.math.real(tf.complex([1.0], [2.0]))
tf.math.angle(tf.complex([1.0], [2.0]))
tf.abs(tf.complex([3.0], [4.0]))
tf.linalg.inv(s)
tf.linalg.det(s)
tf.linalg.cholesky(s)
tf.linalg.solve(s, b[:, :, :2])
tf.linalg.trace(s)
tf.linalg.diag([1.0, 2.0])
tf.linalg.diag_part(s)
tf.linalg.set_diag(s, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
tf.linalg.band_part(tf.ones((4, 4)), -1, 0)
tf.linalg.band_part(tf.ones((4, 4)), 0, 1)
tf.linalg.matvec(m, b[:, 0, :3])
tf.linalg.eigvalsh(s)
tf.linalg.svd(s, compute_uv=False)
tf.linalg.logdet(s)
tf.linalg.triangular_solve(tf.linalg.cholesky(s), b[:, :, :2])
tf.linalg.matrix_transpose(b)
tf.linalg.adjoint(m)
tf.linalg.lstsq(s, b[:, :, :2])
tf.signal.fft(tf.cast(x, tf.complex64))
tf.signal.rfft(x)
tf.signal.irfft(tf.signal.rfft(x))
tf.signal.hann_window(8)
tf.signal.hann_window(7)
tf.signal.hamming_window(6, periodic=False)
tf.signal.frame(tf.range(10.0), 4, 3)
tf.signal.frame(tf.range(10.0), 4, 3, pad_end=True)
tf.signal.stft(tf.range(40.0), 16, 8)
tf.signal.overlap_and_add(tf.ones((3, 4)), 2)
tf.signal.linear_to_mel_weight_matrix(8, 33, 8000)
"""

NN = """
tf.nn.relu(x)
tf.nn.leaky_relu(x)
tf.nn.elu(x)
tf.nn.selu(x)
tf.nn.gelu(x)
tf.nn.gelu(x, approximate=True)
tf.nn.silu(x)
tf.nn.swish(x)
tf.nn.softmax(x)
tf.nn.softmax(x, axis=0)
tf.nn.log_softmax(x)
tf.nn.sigmoid(x)
tf.nn.tanh(x)
tf.nn.crelu(x)
tf.nn.conv2d(g, tf.ones((3, 3, 3, 2)), strides=1, padding="SAME")
tf.nn.conv2d(g, tf.ones((3, 2, 3, 2)), strides=[1, 2, 2, 1], padding="VALID")
tf.nn.conv2d(g, tf.ones((3, 3, 3, 2)), 2, "SAME")
tf.nn.conv2d(g, tf.ones((3, 3, 3, 2)), 1, [[0, 0], [1, 1], [2, 0], [0, 0]])
tf.nn.conv2d(g, tf.ones((2, 2, 3, 2)), 1, "SAME", dilations=2)
tf.nn.conv1d(b, tf.ones((2, 4, 3)), stride=1, padding="SAME")
tf.nn.depthwise_conv2d(g, tf.ones((2, 2, 3, 2)), [1, 1, 1, 1], "SAME")
tf.nn.separable_conv2d(g, tf.ones((2, 2, 3, 2)), tf.ones((1, 1, 6, 4)), [1, 1, 1, 1], "VALID")
tf.nn.conv2d_transpose(g, tf.ones((3, 3, 2, 3)), [2, 16, 12, 2], 2)
tf.nn.conv2d_transpose(g, tf.ones((3, 3, 2, 3)), [2, 15, 11, 2], 2)
tf.nn.conv2d_transpose(g, tf.ones((3, 3, 2, 3)), [2, 17, 13, 2], 2, "VALID")
tf.nn.max_pool2d(g, 2, 2, "VALID")
tf.nn.max_pool2d(g, [1, 3, 3, 1], [1, 2, 2, 1], padding="SAME")
tf.nn.avg_pool2d(g, 3, 2, "SAME")
tf.nn.max_pool(g, 2, 2, "SAME")
tf.nn.avg_pool(g, ksize=2, strides=2, padding="VALID")
tf.nn.max_pool1d(b, 2, 1, "SAME")
tf.nn.bias_add(x, [1.0, 2.0, 3.0, 4.0])
tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(y > 0, tf.float32), logits=x)
tf.nn.weighted_cross_entropy_with_logits(tf.cast(y > 0, tf.float32), x, 2.0)
tf.nn.softmax_cross_entropy_with_logits(labels=tf.nn.softmax(y), logits=x)
tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 0, 3], logits=x)
tf.nn.l2_loss(x)
tf.nn.l2_normalize(x, axis=-1)
tf.nn.moments(b, axes=[0, 1])
tf.nn.moments(b, axes=[0, 1], keepdims=True)
tf.nn.batch_normalization(x, tf.reduce_mean(x, 0), tf.ones(4), tf.zeros(4), tf.ones(4), 1e-3)
tf.nn.local_response_normalization(g, depth_radius=1, bias=1.0, alpha=0.1, beta=0.75)
tf.nn.embedding_lookup(x, [[2, 0], [1, 1]])
tf.nn.depth_to_space(tf.ones((1, 2, 2, 8)), 2)
tf.nn.space_to_depth(g, 2)
tf.nn.top_k(x, k=1)
tf.nn.compute_average_loss([1.0, 2.0, 3.0], global_batch_size=4)
tf.nn.log_poisson_loss(p, x)
"""

IMAGE = """
tf.image.resize(g, [4, 9])
tf.image.resize(u, (3, 3))
tf.image.resize(u, (10, 11), method="nearest")
tf.image.resize(g, [4, 3], method="area")
tf.image.resize(g, [4, 3], antialias=True)
tf.image.resize(g, [5, 7], method="lanczos3")
tf.image.resize(g, [16, 16], preserve_aspect_ratio=True)
tf.image.convert_image_dtype(u, tf.float32)
tf.image.convert_image_dtype(g, tf.uint8)
tf.image.convert_image_dtype(g * 2, tf.uint8, saturate=True)
tf.image.flip_left_right(u)
tf.image.flip_up_down(g)
tf.image.rot90(u)
tf.image.rot90(g, 3)
tf.image.transpose(u)
tf.image.central_crop(u, 0.5)
tf.image.crop_to_bounding_box(u, 1, 2, 3, 2)
tf.image.pad_to_bounding_box(u, 1, 2, 10, 9)
tf.image.resize_with_crop_or_pad(u, 4, 8)
tf.image.resize_with_pad(u, 8, 8)
tf.image.crop_and_resize(g, [[0.1, 0.2, 0.8, 0.9]], [1], [4, 4])
tf.image.adjust_brightness(g, 0.1)
tf.image.adjust_brightness(u, 0.3)
tf.image.adjust_contrast(g, 2.0)
tf.image.adjust_contrast(u, 0.5)
tf.image.adjust_saturation(g, 0.5)
tf.image.adjust_saturation(u, 2.0)
tf.image.adjust_hue(g, 0.2)
tf.image.adjust_gamma(g, 2.0)
tf.image.rgb_to_grayscale(g)
tf.image.rgb_to_grayscale(u)
tf.image.grayscale_to_rgb(g[..., :1])
tf.image.rgb_to_hsv(g)
tf.image.hsv_to_rgb(g)
tf.image.per_image_standardization(u)
tf.image.psnr(g[0], g[1], max_val=1.0)
tf.image.total_variation(g)
tf.image.sobel_edges(g)
tf.image.image_gradients(g)
tf.image.non_max_suppression([[0, 0, 1, 1], [0, 0.1, 1, 1], [0, 2, 1, 3], [1.0, 3, 0, 2]], [0.5, 0.9, 0.3, 0.8], 3)
tf.image.non_max_suppression([[0, 0, 1, 1], [0, 0.1, 1, 1], [0, 2, 1, 3.0]], [0.5, 0.9, 0.3], 2, 0.99, 0.4)
tf.image.draw_bounding_boxes(g, [[[0.1, 0.2, 0.8, 0.9]], [[0.0, 0.0, 0.5, 0.5]]], [[1.0, 0.0, 0.0]])
tf.image.extract_patches(g, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")
tf.image.decode_png(tf.io.encode_png(u))
tf.io.decode_image(tf.io.encode_png(u), channels=3)
tf.image.decode_png(tf.io.encode_png(u[..., :1]))
tf.image.decode_png(tf.io.encode_png(u), channels=3, dtype=tf.uint8)
"""

STRINGS = """
w
tf.strings.lower(w)
tf.strings.upper("abc")
tf.strings.length(w)
tf.strings.length("für", unit="UTF8_CHAR")
tf.strings.split(w)
tf.strings.split("a b  c")
tf.strings.split(w, sep=",")
tf.strings.regex_replace(w, "[^a-zA-Z]+", "_")
tf.strings.regex_replace(w, r"(\\w)\\W(\\w)", r"\\2\\1")
tf.strings.regex_replace(w, "[[:punct:]]", "")
tf.strings.regex_full_match(w, "H.*")
tf.strings.join([w, w], separator="+")
tf.strings.reduce_join(w)
tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=1, separator=" ")
tf.strings.substr(w, 1, 3)
tf.strings.substr("hello", -3, 2)
tf.strings.strip(["  a ", "b\\n"])
tf.strings.unicode_split("für", "UTF-8")
tf.strings.unicode_split(["ab", "c"], "UTF-8")
tf.strings.unicode_decode("für", "UTF-8")
tf.strings.bytes_split("abc")
tf.strings.to_number(["1.5", "-2"])
tf.strings.to_number(["3"], tf.int32)
tf.strings.as_string([1, 20])
tf.strings.as_string([1.5, 2.25])
tf.strings.as_string([1.5], precision=2)
tf.strings.as_string([True])
tf.strings.format("a {} b", tf.constant(3))
w == "a,b"
w + "!"
tf.concat([w, ["z"]], 0)
tf.stack(["a", "b"])
tf.reshape(w, (3, 1))
tf.expand_dims(w, -1)
w[1:]
w[0]
tf.where(w == "a,b", "yes", "no")
tf.gather(w, [2, 0])
tf.unique(["a", "b", "a"])
tf.io.decode_raw(tf.constant("abcd"), tf.uint8)
tf.io.decode_csv(["1,2.5,x", "3,,y"], [0, 1.0, ""])
rag
rag.to_tensor()
rag.to_tensor(default_value=-1)
rag.row_lengths()
rag[0]
rag[:, :2]
rag.shape
rag.values
tf.reduce_sum(rag, axis=1)
rag.bounding_shape()
tf.RaggedTensor.from_row_splits([1, 2, 3], [0, 2, 3])
tf.ragged.stack([[1, 2], [3]])
tf.sparse.to_dense(tf.sparse.from_dense([[0, 1], [2, 0]]))
"""

DATA = """
list(tf.data.Dataset.range(5).as_numpy_iterator())
list(tf.data.Dataset.range(2, 8, 3).as_numpy_iterator())
list(tf.data.Dataset.from_tensor_slices([1, 2, 3]).map(lambda v: v * 2).as_numpy_iterator())
list(tf.data.Dataset.from_tensor_slices({"a": [1, 2], "b": [3.0, 4.0]}).as_numpy_iterator())
list(tf.data.Dataset.from_tensors([1, 2, 3]).as_numpy_iterator())
list(tf.data.Dataset.range(7).batch(3).as_numpy_iterator())
list(tf.data.Dataset.range(7).batch(3, drop_remainder=True).as_numpy_iterator())
list(tf.data.Dataset.range(3).repeat(2).as_numpy_iterator())
list(tf.data.Dataset.range(10).skip(2).take(3).as_numpy_iterator())
list(tf.data.Dataset.range(10).filter(lambda v: v % 2 == 0).as_numpy_iterator())
list(tf.data.Dataset.zip((tf.data.Dataset.range(3), tf.data.Dataset.range(5, 9))).as_numpy_iterator())
list(tf.data.Dataset.range(2).concatenate(tf.data.Dataset.range(3)).as_numpy_iterator())
list(tf.data.Dataset.range(3).enumerate(start=5).as_numpy_iterator())
list(tf.data.Dataset.range(3).flat_map(lambda v: tf.data.Dataset.range(v)).as_numpy_iterator())
list(tf.data.Dataset.range(1, 6).interleave(lambda v: tf.data.Dataset.from_tensors(v).repeat(3), cycle_length=2, block_length=2).as_numpy_iterator())
[[int(v) for v in part] for part in tf.data.Dataset.range(7).window(3, shift=2)]
[[int(v) for v in part] for part in tf.data.Dataset.range(10).window(3, shift=2, stride=2, drop_remainder=True)]
list(tf.data.Dataset.range(8).window(4, shift=1, drop_remainder=True).flat_map(lambda part: part.batch(4)).as_numpy_iterator())
list(tf.data.Dataset.from_tensor_slices(np.arange(6).reshape(3, 2)).unbatch().as_numpy_iterator())
tf.data.Dataset.range(5).reduce(np.int64(0), lambda a, v: a + v)
tf.data.Dataset.range(5).cardinality()
tf.data.Dataset.range(5).batch(2).cardinality()
tf.data.Dataset.range(5).repeat().cardinality()
tf.data.Dataset.range(5).filter(lambda v: v > 2).cardinality()
len(tf.data.Dataset.range(5).shuffle(3).batch(2))
sorted(tf.data.Dataset.range(20).shuffle(5, seed=1).as_numpy_iterator())
list(tf.data.Dataset.from_generator(lambda: iter([(1, [1.0, 2.0]), (2, [3.0, 4.0])]), output_signature=(tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.float32))).as_numpy_iterator())
list(tf.data.Dataset.from_generator(lambda: iter([1, 2]), output_types=tf.int64).as_numpy_iterator())
list(tf.data.Dataset.range(1, 4).map(lambda v: tf.fill([v], v)).padded_batch(2).as_numpy_iterator())
list(tf.data.Dataset.range(1, 4).map(lambda v: tf.fill([v], v)).padded_batch(2, padded_shapes=[5], padding_values=np.int64(-1)).as_numpy_iterator())
list(tf.data.Dataset.range(10).shard(3, 1).as_numpy_iterator())
list(tf.data.Dataset.from_tensor_slices(["b c", "d"]).map(tf.strings.upper).as_numpy_iterator())
[str(one) for one in [tf.TensorShape([None, 3]), tf.TensorShape(None), tf.TensorShape([2])]]
tf.TensorShape([None, 3]).as_list()
tf.TensorShape([2, 3]).num_elements()
tf.TensorShape([2, None]).is_fully_defined()
tf.map_fn(lambda v: v * 2, i)
tf.map_fn(lambda v: (v[0], v[1] + 1), (i, i))
tf.while_loop(lambda k: k < 10, lambda k: (k + 3,), [tf.constant(0)])
tf.cond(tf.constant(True), lambda: x, lambda: y)
tf.scan(lambda a, v: a + v, i)
tf.foldl(lambda a, v: a + v, tf.constant([1, 2, 3]))
tf.case([(tf.constant(False), lambda: x), (tf.constant(True), lambda: y)])
tf.dtypes.as_dtype("float32").max
int(tf.int32.min)
str(tf.float32)
repr(tf.int64)
tf.float32.as_numpy_dtype.__name__
tf.nest.flatten({"b": 1, "a": [2, 3]})
tf.vectorized_map(lambda v: tf.reduce_sum(v), b)
tf.py_function(lambda v: v + 1, [tf.constant(3)], tf.int32)
tf.numpy_function(lambda v: v * 2, [tf.constant([1.5])], tf.float32)
"""

GRADIENTS = """
grads(lambda v: tf.reduce_sum(v * v), x)
grads(lambda v: v ** 3, x)
grads(lambda v: tf.reduce_mean(tf.nn.softmax(v)[:, 0]), x)
grads(lambda v: tf.clip_by_norm(v, 1.0), x)
grads(lambda v: tf.stop_gradient(v) * v, x)
tf.convert_to_tensor(grads(lambda v: tf.gather(v, [0, 0, 2]), x))
grads(lambda v: tf.maximum(v, 0.0), x)
grads(lambda v: tf.norm(v), x)
grads(lambda v: tf.image.resize(v, [3, 3]), g)
grads(lambda v: tf.nn.conv2d(v, tf.ones((3, 3, 3, 1)), 1, "SAME"), g)
second(lambda v: v ** 3, x)
jac(lambda v: v * v[:, :1], x)
batch_jac(lambda v: tf.sin(v) * v[:, :1], x)
several()
unconnected()
custom()
"""

FILES = """
written()
parsed()
list(tf.io.serialize_tensor(x).numpy())
list(tf.io.serialize_tensor(w).numpy())
tf.io.parse_tensor(tf.io.serialize_tensor(b), tf.float32)
tf.io.parse_tensor(tf.io.serialize_tensor(w), tf.string)
tf.io.parse_tensor(tf.io.serialize_tensor(tf.constant(3, tf.int64)), tf.int64)
compressed("GZIP")
compressed("ZLIB")
text_lines()
gfile()
signature()
array()
checks()
old()
"""

FUNCTIONS = """
def grads(function, value):
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tape.gradient(result, value)

def second(function, value):
    with tf.GradientTape() as outer:
        outer.watch(value)
        with tf.GradientTape() as inner:
            inner.watch(value)
            result = function(value)
        first = inner.gradient(result, value)
    return outer.gradient(first, value)

def jac(function, value):
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tape.jacobian(result, value)

def batch_jac(function, value):
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tape.batch_jacobian(result, value)

def several():
    a, c = tf.Variable(2.0), tf.Variable([1.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        first, other = a * a, tf.reduce_sum(c) * a
    found = tape.gradient([first, other], {"a": a, "c": [c]})
    a.assign_add(1.0)
    return [found["a"], found["c"][0], tape.gradient(other, c), a.numpy(), c.assign_sub([1.0, 1.0]).numpy()]

def unconnected():
    a, c = tf.Variable(2.0), tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        result = a * a
    zero = tape.gradient(result, c, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tape.gradient(result, c) is None, zero, tape.gradient(result, a, output_gradients=tf.constant(5.0))]

def path(name):
    import os, tempfile
    return os.path.join(tempfile.mkdtemp(), name)

def example(number):
    return tf.train.Example(features=tf.train.Features(feature={
        "n": tf.train.Feature(int64_list=tf.train.Int64List(value=[number, -number])),
    }))

def written():
    name = path("a.tfrecord")
    with tf.io.TFRecordWriter(name) as writer:
        writer.write(example(3).SerializeToString())
        writer.write(b"")
    return list(open(name, "rb").read())

def parsed():
    name = path("a.tfrecord")
    with tf.io.TFRecordWriter(name) as writer:
        for number in range(3):
            one = example(number)
            writer.write(tf.train.Example(features=tf.train.Features(feature={
                "n": one.features.feature["n"],
                "f": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5 * number] * number)),
                "s": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"text", b""])),
            })).SerializeToString())
    spec = {
        "n": tf.io.FixedLenFeature([2], tf.int64),
        "f": tf.io.VarLenFeature(tf.float32),
        "s": tf.io.FixedLenFeature([2], tf.string),
        "d": tf.io.FixedLenFeature([], tf.int64, default_value=9),
    }
    found = []
    for raw in tf.data.TFRecordDataset(name):
        one = tf.io.parse_single_example(raw, spec)
        found.append([one["n"], tf.sparse.to_dense(one["f"]), one["s"], one["d"]])
        back = tf.train.Example.FromString(raw.numpy())
        found.append([list(back.features.feature["n"].int64_list.value), list(back.features.feature["s"].bytes_list.value)[0].decode()])
    for raw in tf.data.TFRecordDataset([name]).batch(3):
        many = tf.io.parse_example(raw, spec)
        found.append([many["n"], tf.sparse.to_dense(many["f"]), many["d"], many["f"].indices, many["f"].dense_shape])
    return found

def compressed(kind):
    name = path("a.tfrecord")
    with tf.io.TFRecordWriter(name, tf.io.TFRecordOptions(compression_type=kind)) as writer:
        writer.write(b"abc")
        writer.write(b"d" * 100)
    return list(tf.data.TFRecordDataset(name, compression_type=kind).as_numpy_iterator())

def text_lines():
    name = path("a.txt")
    tf.io.write_file(name, "one\\ntwo\\r\\nthree")
    return [list(tf.data.TextLineDataset(name).skip(1).as_numpy_iterator()), tf.io.read_file(name)]

def gfile():
    name = path("a/b.txt")
    folder = name[:-5]
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(name, "w") as file:
        file.write("text")
    found = [tf.io.gfile.exists(name), tf.io.gfile.listdir(folder), tf.io.gfile.isdir(folder)]
    with tf.io.gfile.GFile(name) as file:
        found.append(file.read())
    tf.io.gfile.remove(name)
    try:
        tf.io.gfile.GFile(name).read()
    except tf.errors.NotFoundError:
        found.append("not found")
    return found + [tf.io.gfile.exists(name)]

def signature():
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def double(v):
        return v * 2
    found = [double(tf.ones((3, 2))), double.get_concrete_function()(tf.ones((1, 2)))]
    try:
        double(tf.ones((3, 3)))
    except TypeError:
        found.append("wrong shape")
    class Layer(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.ones((2, 2)), name="w")
            self.parts = [tf.Variable(1.0, trainable=False)]
        @tf.function
        def __call__(self, v):
            return v @ self.w + self.parts[0]
    layer = Layer()
    return found + [layer(tf.ones((1, 2))), len(layer.variables), len(layer.trainable_variables), layer.w.name]

def array():
    rows = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
    for number in range(3):
        rows = rows.write(number, tf.ones(2) * number)
    return [rows.stack(), rows.read(1), rows.size()]

def checks():
    found = []
    for check in (
        lambda: tf.debugging.assert_equal(tf.constant(1), 2),
        lambda: tf.debugging.assert_less(x, y),
        lambda: tf.debugging.assert_positive([1.0, -1.0]),
        lambda: tf.debugging.check_numerics(tf.constant([np.nan]), "bad"),
        lambda: tf.debugging.assert_rank(x, 3),
        lambda: tf.Assert(tf.constant(False), ["no"]),
        lambda: tf.strings.to_number("a"),
        lambda: tf.constant([[1, 2], [3]]),
        lambda: tf.constant(None),
        lambda: tf.image.decode_jpeg(b"nonsense"),
        lambda: tf.reshape(x, [5, 5]),
        lambda: tf.split(x, 3, axis=1),
    ):
        try:
            check()
            found.append("nothing")
        except (tf.errors.InvalidArgumentError, ValueError):
            found.append("raised")
    tf.debugging.assert_equal(x, x)
    tf.debugging.assert_near(x, x + 1e-8)
    tf.debugging.assert_shapes([(x, ("N", 4)), (y, ("N", "D"))])
    return found

def old():
    v1 = tf.compat.v1
    v1.set_random_seed(0)
    v1.logging.set_verbosity(v1.logging.ERROR)
    return [v1.to_float(3), v1.where([True, False], [[1, 2], [3, 4]], [[5, 6], [7, 8]]), tf.executing_eagerly()]

def custom():
    @tf.custom_gradient
    def clipped(v):
        return v, lambda up: tf.clip_by_value(up, -0.1, 0.1)
    a = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        result = tf.reduce_sum(clipped(a) * 3.0)
    return tape.gradient(result, a)
"""

FAMILIES = {
    "tensors": TENSORS,
    "math": MATH,
    "nn": NN,
    "image": IMAGE,
    "strings": STRINGS,
    "data": DATA,
    "gradients": GRADIENTS,
    "files": FILES,
}


def run(tf, np):
    """All families' results: line -> values that JSON takes, or the error's name."""
    import traceback

    found = {}
    for family, lines in FAMILIES.items():
        for line in lines.strip().splitlines():
            scope = {"tf": tf, "np": np}
            exec(VALUES + FUNCTIONS, scope)
            try:
                found[f"{family}: {line}"] = _plain(eval(line, scope), np)
            except Exception as error:
                found[f"{family}: {line}"] = {
                    "error": f"{type(error).__name__}: {error}",
                    "trace": traceback.format_exc(),
                }
    return found


def _plain(value, np):
    if hasattr(value, "to_list") and hasattr(value, "row_lengths"):
        return {"ragged": _text(value.to_list()), "dtype": value.dtype.name}
    if isinstance(value, dict):
        return {str(key): _plain(one, np) for key, one in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "as_list"):
        return [_plain(one, np) for one in value]
    if hasattr(value, "as_list"):
        return value.as_list()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    array = value.numpy() if hasattr(value, "numpy") else value
    if isinstance(array, bytes):
        return {"dtype": "string", "shape": [], "values": array.decode("latin-1")}
    array = np.asarray(array)
    if array.dtype == object:
        return {"dtype": "string", "shape": list(array.shape), "values": _text(array.tolist())}
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": array.tolist()}


def _text(value):
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.decode("latin-1") if isinstance(value, bytes) else value


if __name__ == "__main__":
    import json
    import sys

    import numpy as np
    import tensorflow as tf

    with open(sys.argv[1], "w") as file:
        json.dump(run(tf, np), file)
