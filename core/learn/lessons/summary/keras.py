"""A Keras model laid open: layers, shapes, parameters, and the count by hand."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
from keras import layers

FILTERS = 62  # of the second convolution

model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(30, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(FILTERS, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10),
    ]
)
model.summary(line_length=72)

# A filter: 3 x 3 weights for each channel that comes in, and one bias.
conv1 = (3 * 3 * 1 + 1) * 30
conv2 = (3 * 3 * 30 + 1) * FILTERS
# 28 - 2 = 26, halved 13, 13 - 2 = 11, halved 5: each filter leaves 5 x 5 values.
dense = (5 * 5 * FILTERS + 1) * 10
print(f"by hand: (3*3*1 + 1) * 30 = {conv1:,}")
print(f"         (3*3*30 + 1) * {FILTERS} = {conv2:,}")
print(f"         (5*5*{FILTERS} + 1) * 10 = {dense:,}")
print(f"together {conv1 + conv2 + dense:,}, Keras counts {model.count_params():,}")
