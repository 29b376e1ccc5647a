"""Layers that prepare data, for the contract that all layers are held to: (name, shapes of the inputs, arguments)."""

IMAGES = ((3, 9, 8, 3),)


def _images(name, **options):
    return name, IMAGES, options


def _random(name, **options):
    return name, IMAGES, {"random": True, **options}


LAYERS = [
    ("Rescaling", ((3, 4),), {"scale": 0.5, "offset": -1.0}),
    ("Rescaling", ((3, 2),), {"scale": [0.5, 2.0]}),
    ("Normalization", ((3, 4),), {}),
    ("Normalization", ((3, 4),), {"mean": 1.0, "variance": 4.0, "invert": True}),
    ("Normalization", ((3, 5, 4),), {"axis": (1, 2)}),
    ("CategoryEncoding", ((3, 4),), {"high": 5, "num_tokens": 5}),
    ("CategoryEncoding", ((3, 4),), {"high": 5, "num_tokens": 5, "output_mode": "count"}),
    ("CategoryEncoding", ((3, 4),), {"high": 5, "num_tokens": 5, "output_mode": "one_hot"}),
    ("Discretization", ((3, 4),), {"bin_boundaries": [-0.5, 0.0, 0.7], "output_mode": "one_hot"}),
    ("MelSpectrogram", ((2, 400),), {"fft_length": 64, "sequence_stride": 20, "num_mel_bins": 6, "random": True}),
    ("MelSpectrogram", ((2, 300),), {"fft_length": 64, "sequence_length": 50, "num_mel_bins": 5, "random": True}),
    *(
        ("STFTSpectrogram", ((2, 90, 3),), {"frame_length": 16, **options})
        for options in (
            {"mode": "psd"},
            {"mode": "log"},
            {"mode": "stft", "frame_step": 5, "fft_length": 32, "window": "hamming", "scaling": "spectrum"},
            {"mode": "real", "padding": "same", "periodic": True},
            {"mode": "imag", "expand_dims": True, "window": None},
            {"mode": "magnitude", "scaling": None},
        )
    ),
    ("STFTSpectrogram", ((2, 3, 90),), {"frame_length": 16, "data_format": "channels_first", "mode": "psd"}),
    ("STFTSpectrogram", ((2, 3, 90),), {"frame_length": 16, "data_format": "channels_first", "expand_dims": True}),
    _images("Resizing", height=5, width=11),
    _images("Resizing", height=5, width=4, crop_to_aspect_ratio=True),
    _images("Resizing", height=12, width=13, interpolation="bicubic", data_format="channels_last"),
    _images("CenterCrop", height=4, width=5),
    _images("AutoContrast", value_range=(-4, 4)),
    _random("RandomCrop", height=9, width=8, seed=1),
    _random("RandomFlip"),
    _random("RandomRotation", factor=0.2),
    _random("RandomTranslation", height_factor=0.2, width_factor=0.1),
    _random("RandomZoom", height_factor=0.2),
    _random("RandomShear", x_factor=(0.1, 0.2)),
    _random("RandomPerspective", scale=0.5),
    _random("RandomElasticTransform"),
    _random("RandomBrightness", factor=0.2),
    _random("RandomContrast", factor=0.2),
    _random("RandomColorDegeneration", factor=0.2),
    _random("RandomHue", factor=0.2),
    _random("RandomSaturation", factor=0.2),
    _random("RandomSharpness", factor=0.2),
    _random("RandomPosterization", factor=4),
    _random("RandomGrayscale"),
    _random("RandomInvert"),
    _random("RandomGaussianBlur"),
    _random("RandomErasing"),
    _random("RandomColorJitter", brightness_factor=0.2, hue_factor=0.1, contrast_factor=0.3),
    _random("Solarization", addition_factor=0.2, threshold_factor=0.3),
    _random("Equalization"),
    _random("MixUp"),
    _random("CutMix"),
    _random("RandAugment"),
    _random("MaxNumBoundingBoxes", max_number=3),
    _random("ContrastLimitedAdaptiveHistogramEqualization", tile_grid_size=(2, 2)),
]
