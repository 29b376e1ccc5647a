"""Write golden/keras/feature_space.keras with the real Keras on TensorFlow, which its `FeatureSpace` needs.

python tests/golden/make_feature_space.py
"""

from pathlib import Path

import keras

SPACE = keras.utils.FeatureSpace
space = SPACE(
    {
        "f": "float",
        "r": SPACE.float_rescaled(2.0, 1.0, name="r"),
        "n": "float_normalized",
        "d": SPACE.float_discretized(num_bins=3, name="d"),
        "ic": "integer_categorical",
        "sc": "string_categorical",
        "ih": "integer_hashed",
        "sh": SPACE.string_hashed(5, name="sh"),
    },
    crosses=[("sc", "ic"), SPACE.cross(("ih", "sh"), 7)],
    crossing_dim=6,
    hashing_dim=4,
)
space.adapt(
    {
        "f": [1.0, 2.0, 3.0, 4.0],
        "r": [1.0, 2.0, 3.0, 4.0],
        "n": [1.0, 2.0, 3.0, 4.0],
        "d": [0.1, 0.4, 0.6, 0.9],
        "ic": [3, 3, 5, 7],
        "sc": ["a", "b", "a", "c"],
        "ih": [1, 2, 3, 4],
        "sh": ["x", "y", "z", "w"],
    }
)
space.save(Path(__file__).parent / "keras" / "feature_space.keras")
