"""What Keras's own files offer each other and add-on packages use, where it has a counterpart here: `keras.src.…`."""
