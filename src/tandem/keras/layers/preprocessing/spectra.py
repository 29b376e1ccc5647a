"""Sound as spectra over time: `MelSpectrogram`, `STFTSpectrogram`."""

import torch

from tandem.core import devices, graph
from tandem.core.dtypes import torch_dtype
from tandem.keras import initializers
from tandem.keras.config import standardize_data_format
from tandem.keras.layers.base import Layer
from tandem.keras.layers.preprocessing.data_layer import DataLayer
from tandem.ops import conv, spectrogram

_MEL = (
    "fft_length",
    "sequence_stride",
    "sequence_length",
    "window",
    "sampling_rate",
    "num_mel_bins",
    "min_freq",
    "max_freq",
    "power_to_db",
    "top_db",
    "mag_exp",
    "min_power",
    "ref_power",
)
_STFT = (
    "mode",
    "frame_length",
    "frame_step",
    "fft_length",
    "window",
    "periodic",
    "scaling",
    "padding",
    "data_format",
    "expand_dims",
)


class MelSpectrogram(DataLayer):
    """Sound as the strengths of mel bins over time.

    fft_length: of the transform; sequence_stride, sequence_length: of its frames, in samples; window: "hann",
    "hamming", an array or None; sampling_rate: samples a second; num_mel_bins; min_freq, max_freq: in hertz;
    power_to_db: whether strengths become decibels, relative to `ref_power`, at least those of `min_power`, not more
    than `top_db` below the greatest; mag_exp: what magnitudes are raised to. inputs: (…, samples). Returns
    (…, bins, frames).
    """

    def __init__(
        self,
        fft_length=2048,
        sequence_stride=512,
        sequence_length=None,
        window="hann",
        sampling_rate=16000,
        num_mel_bins=128,
        min_freq=20.0,
        max_freq=None,
        power_to_db=True,
        top_db=80.0,
        mag_exp=2.0,
        min_power=1e-10,
        ref_power=1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.fft_length = fft_length
        self.sequence_stride = sequence_stride
        self.sequence_length = sequence_length or fft_length
        self.window = window
        self.sampling_rate = sampling_rate
        self.num_mel_bins = num_mel_bins
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power

    def build(self, input_shape):
        """Compute what each mel bin takes of each frequency."""
        with graph.off_meta():
            weights = self.linear_to_mel_weight_matrix(
                num_mel_bins=self.num_mel_bins,
                num_spectrogram_bins=self.fft_length // 2 + 1,
                sampling_rate=self.sampling_rate,
                lower_edge_hertz=self.min_freq,
                upper_edge_hertz=self.max_freq,
            ).to(devices.default())
        self.register_buffer("_mel_weights", weights, persistent=False)

    def call(self, inputs):
        """The spectrogram."""
        inputs = inputs.to(torch_dtype(self.compute_dtype))
        window = self.window if isinstance(self.window, (str, type(None))) else torch.as_tensor(self.window)
        spectra = spectrogram.short_time(
            inputs, self.sequence_length, self.sequence_stride, self.fft_length, window=window
        )
        found = spectrogram.mel(spectra, self._mel_weights, self.mag_exp)
        if not self.power_to_db:
            return found
        return spectrogram.decibels(found, least=self.min_power, reference=self.ref_power, span=self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins=20,
        num_spectrogram_bins=129,
        sampling_rate=8000,
        lower_edge_hertz=125.0,
        upper_edge_hertz=3800.0,
        dtype="float32",
    ):
        """What each mel bin takes of each frequency: (num_spectrogram_bins, num_mel_bins)."""
        return spectrogram.mel_weights(
            num_mel_bins,
            num_spectrogram_bins,
            sampling_rate,
            float(lower_edge_hertz),
            float(upper_edge_hertz),
            dtype=getattr(torch, dtype),
        )

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        samples = input_shape[-1]
        missing = 2 * (self.fft_length // 2) - self.fft_length
        frames = None if samples is None else (samples + missing) // self.sequence_stride + 1
        return (*input_shape[:-1], self.num_mel_bins, frames)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), **{name: getattr(self, name) for name in _MEL}}


_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


class STFTSpectrogram(Layer):
    """Sound as its short-time Fourier transform, by kernels that may learn.

    mode: "log" (of the power), "magnitude", "psd", "real", "imag", "angle" or "stft" (real and imaginary parts);
    frame_length, frame_step: in samples (step: half a frame); fft_length: of the transform; window: "hann", "hamming",
    an array or None; periodic: of the window; scaling: "density", "spectrum" or None; padding: "valid" or "same";
    expand_dims: frequencies and channels on axes of their own. inputs: (batch, samples, channels). Returns
    (batch, frames, frequencies * channels). Raises ValueError for other arguments.
    """

    def __init__(
        self,
        mode="log",
        frame_length=256,
        frame_step=None,
        fft_length=None,
        window="hann",
        periodic=False,
        scaling="density",
        padding="valid",
        expand_dims=False,
        data_format=None,
        **kwargs,
    ):
        if frame_length is not None and (not isinstance(frame_length, int) or frame_length <= 1):
            raise ValueError(
                f"`frame_length` should be an integer greater than 1. Received: frame_length={frame_length}"
            )
        if frame_step is not None and (frame_step > frame_length or frame_step < 1):
            raise ValueError(
                "`frame_step` should be a positive integer not greater than `frame_length`. "
                f"Received frame_step={frame_step}, frame_length={frame_length}"
            )
        size = fft_length or frame_length
        if fft_length is not None and (fft_length < frame_length or fft_length % 2):
            raise ValueError(
                "`fft_length` should be even and not smaller than `frame_length`. "
                f"Received fft_length={fft_length}, frame_length={frame_length}"
            )
        if fft_length is None and frame_length % 2:
            raise ValueError(f"Frames of odd lengths need an `fft_length`. Received: frame_length={frame_length}")
        for name, value, allowed in (
            ("mode", mode, _MODES),
            ("scaling", scaling, ("density", "spectrum", None)),
            ("padding", padding, ("valid", "same")),
        ):
            if value not in allowed:
                raise ValueError(f"Unknown `{name}`. Expected: one of {allowed}. Given: {value!r}.")
        if isinstance(window, str) and window not in ("hann", "hamming"):
            raise ValueError(f"Unknown `window`. Expected: 'hann', 'hamming', an array or None. Given: {window!r}.")
        super().__init__(**kwargs)
        self.mode = mode
        self.frame_length = frame_length
        self.frame_step = frame_step
        self._frame_step = frame_step or frame_length // 2
        self.fft_length = fft_length
        self._fft_length = size
        self.window = window
        self.periodic = periodic
        self.scaling = scaling
        self.padding = padding
        self.expand_dims = expand_dims
        self.data_format = standardize_data_format(data_format)

    def build(self, input_shape):
        """Make the kernels."""
        shape = (self.frame_length, 1, self._fft_length // 2 + 1)
        for side, spare in (("real", "imag"), ("imag", "real")):
            if self.mode == spare:
                continue
            weight = self.add_weight(
                name=f"{side}_kernel",
                shape=shape,
                initializer=initializers.STFT(side, window=self.window, scaling=self.scaling, periodic=self.periodic),
            )
            setattr(self, f"{side}_kernel", weight)

    def call(self, inputs):
        """The spectrogram."""
        x = inputs if self.data_format == "channels_last" else inputs.movedim(1, -1)
        parts = [
            spectrogram.transformed(x, getattr(self, f"{side}_kernel").value, self._frame_step, self.padding)
            if self.mode != spare
            else None
            for side, spare in (("real", "imag"), ("imag", "real"))
        ]
        y = spectrogram.described(*parts, self.mode)
        if self.data_format == "channels_first":
            y = y.permute(0, 3, 1, 2)
            return y if self.expand_dims else _joined_first(y)
        return y if self.expand_dims else y.transpose(2, 3).flatten(2)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        first = self.data_format == "channels_first"
        channels, samples = (input_shape[1], input_shape[2]) if first else (input_shape[2], input_shape[1])
        frames = None
        if samples is not None:
            options = {"stride": self._frame_step, "padding": self.padding}
            frames = conv.conv_output_sizes((samples,), (self.frame_length,), **options)[0]
        bins = (self._fft_length // 2 + 1) * (2 if self.mode == "stft" else 1)
        if self.expand_dims:
            return (input_shape[0], channels, frames, bins) if first else (input_shape[0], frames, bins, channels)
        joined = None if channels is None else bins * channels
        return (input_shape[0], joined, frames) if first else (input_shape[0], frames, joined)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), **{name: getattr(self, name) for name in _STFT}}


def _joined_first(y):
    """(B, channels, frames, bins) with channels and bins in one: (B, channels * bins, frames)."""
    return y.transpose(2, 3).flatten(1, 2)
