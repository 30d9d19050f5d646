"""The article's network in Keras, trained by a loop of one's own."""

# %% Data
import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
import numpy as np
import tensorflow as tf
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
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = keras.optimizers.Adam()
batches = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(len(x_train)).batch(126)


@tf.function
def train_step(x, y):
    """One step in a graph; returns the batch's loss."""
    with tf.GradientTape() as tape:
        loss = loss_of(y, model(x, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


for epoch in range(1, EPOCHS + 1):
    losses = []
    for x, y in batches:
        losses.append(train_step(x, y))
    print(f"Epoch {epoch}/{EPOCHS} - loss: {np.mean(losses):.4f}")

# %% Evaluation
logits = model(x_test, training=False)
accuracy = np.mean(np.argmax(logits, axis=1) == y_test)
print("test accuracy:", accuracy)
