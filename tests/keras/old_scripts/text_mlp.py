"""Texts to TF-IDF rows to an MLP, with `Tokenizer` and `np_utils`; and an embedding with padded sequences."""

import numpy as np
from keras.callbacks import EarlyStopping
from keras.layers.core import Activation, Dense, Dropout
from keras.layers.embeddings import Embedding
from keras.layers.pooling import GlobalMaxPooling1D
from keras.models import Sequential
from keras.preprocessing import sequence
from keras.preprocessing.text import Tokenizer, one_hot
from keras.utils import np_utils

rng = np.random.RandomState(0)
words = [["ball", "goal", "team", "match"], ["vote", "law", "state", "party"]]
labels = rng.randint(0, 2, 60)
texts = [" ".join(rng.choice(words[label] + ["the", "a", "of"], 8)) for label in labels]
tokenizer = Tokenizer(num_words=50, lower=True)
tokenizer.fit_on_texts(texts)
x = tokenizer.texts_to_matrix(texts, mode="tfidf")
y = np_utils.to_categorical(labels, 2)
model = Sequential()
model.add(Dense(16, input_shape=(50,)))
model.add(Activation("relu"))
model.add(Dropout(0.2))
model.add(Dense(2))
model.add(Activation("softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["acc"])
stop = EarlyStopping(monitor="val_acc", patience=60)
history = model.fit(x, y, batch_size=8, epochs=60, verbose=0, validation_split=0.1, callbacks=[stop])
score = model.evaluate(x, y, batch_size=8, verbose=0)
assert score[1] > 0.9, score
assert model.predict_proba(x[:2]).shape == (2, 2)

padded = sequence.pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=10, padding="post")
assert len(one_hot(texts[0], 50)) == 8
model = Sequential()
model.add(Embedding(50, 8, input_length=10))
model.add(GlobalMaxPooling1D())
model.add(Dense(1, activation="sigmoid"))
model.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"])
model.fit(padded, labels, epochs=2, verbose=0)
assert model.predict_classes(padded).shape == (60, 1)
