"""The mel scale of pitches."""

import numpy as np


def _mel(hertz):
    return 1127.0 * np.log(1.0 + np.asarray(hertz, "float64") / 700.0)


def weights(bands, frequencies, rate, lowest, highest):
    """How much each of `frequencies` evenly spaced frequencies up to ``rate / 2`` belongs to each of `bands` bands.

    The bands are triangles of one width on the mel scale, ``1127 log(1 + f / 700)``, between two frequencies; the
    frequency 0 belongs to none. Result: (frequencies, bands), float64.
    """
    points = _mel(np.linspace(0.0, rate / 2.0, frequencies)[1:])[:, None]
    edges = np.linspace(_mel(lowest), _mel(highest), bands + 2)
    rising = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    return np.pad(np.maximum(0.0, np.minimum(rising, falling)), ((1, 0), (0, 0)))
