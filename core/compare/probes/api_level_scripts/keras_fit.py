"""The article's network in Keras, trained by `fit`."""

# %% Data
import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
import numpy as np
from keras import layers

data = np.load("mnist5k.npz")
x_train, y_train = data["x_train"][..., np.newaxis] / np.float32(255), data["y_train"]
x_test, y_test = data["x_test"][..., np.newaxis] / np.float32(255), data["y_test"]
EPOCHS = int(data["epochs"])
keras.utils.set_random_seed(0)

# %% Model
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(30, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(62, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10),  # logits
    ]
)

# %% Training
model.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=126, epochs=EPOCHS, verbose=2)  # one line an epoch

# %% Evaluation
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print("test accuracy:", accuracy)
