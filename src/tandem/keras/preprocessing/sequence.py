"""`keras.preprocessing.sequence`."""

from tandem.keras.legacy.time_series import TimeseriesGenerator, _remove_long_seq, make_sampling_table, skipgrams
from tandem.keras.utils.sequence_utils import pad_sequences

__all__ = ["TimeseriesGenerator", "_remove_long_seq", "make_sampling_table", "pad_sequences", "skipgrams"]
