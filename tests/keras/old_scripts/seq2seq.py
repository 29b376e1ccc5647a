"""Sequence to sequence with teacher forcing, and the two models that decode step by step."""

import numpy as np
from keras.layers import LSTM, Dense, Embedding, Input
from keras.models import Model

tokens, latent_dim, n = 9, 12, 48
encoder_data = np.eye(tokens)[np.random.randint(0, tokens, (n, 5))]
decoder_data = np.eye(tokens)[np.random.randint(0, tokens, (n, 6))]
target = np.roll(decoder_data, -1, axis=1)

encoder_inputs = Input(shape=(None, tokens))
encoder = LSTM(latent_dim, return_state=True)
encoder_outputs, state_h, state_c = encoder(encoder_inputs)
encoder_states = [state_h, state_c]
decoder_inputs = Input(shape=(None, tokens))
decoder_lstm = LSTM(latent_dim, return_sequences=True, return_state=True)
decoder_outputs, _, _ = decoder_lstm(decoder_inputs, initial_state=encoder_states)
decoder_dense = Dense(tokens, activation="softmax")
decoder_outputs = decoder_dense(decoder_outputs)
model = Model([encoder_inputs, decoder_inputs], decoder_outputs)
model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["acc"])
history = model.fit([encoder_data, decoder_data], target, batch_size=16, epochs=3, validation_split=0.2, verbose=0)
assert {"acc", "val_acc"} <= set(history.history)

encoder_model = Model(encoder_inputs, encoder_states)
state_inputs = [Input(shape=(latent_dim,)), Input(shape=(latent_dim,))]
decoder_outputs, state_h, state_c = decoder_lstm(decoder_inputs, initial_state=state_inputs)
decoder_states = [state_h, state_c]
decoder_model = Model([decoder_inputs] + state_inputs, [decoder_dense(decoder_outputs)] + decoder_states)
states_value = encoder_model.predict(encoder_data[:1])
target_seq = np.zeros((1, 1, tokens))
target_seq[0, 0, 1] = 1.0
for _ in range(4):
    output_tokens, h, c = decoder_model.predict([target_seq] + states_value)
    target_seq = np.eye(tokens)[[[np.argmax(output_tokens[0, -1, :])]]]
    states_value = [h, c]
assert output_tokens.shape == (1, 1, tokens)

words = Embedding(20, 6, input_length=5, mask_zero=True)
assert Model(*(lambda i: (i, LSTM(3)(words(i))))(Input(shape=(5,)))).predict(np.array([[1, 2, 3, 0, 0]])).shape == (
    1,
    3,
)
