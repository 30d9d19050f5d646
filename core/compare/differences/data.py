"""Differences of the data: order, batches, resizing."""

from core.compare.differences.difference import (
    DATA,
    Difference,
    Part,
    always,
    keras_source,
    never,
    switched,
    thread,
    torch_source,
    vision_source,
)
from core.experiment.switches import Switch

ROWS = (
    Difference(
        name="resizing-antialias",
        title="Shrinking images",
        part=Part.DATA,
        keras="keras.layers.Resizing(7, 7)\n# antialias=False",
        pytorch="torchvision.transforms.v2.Resize(7)\n# antialias=True",
        happens=(
            "Keras takes the mean of the nearest pixels and skips the others, PyTorch weighs all that lie between. "
            "Fine patterns look different, and a trained network sees other images than it learnt from."
        ),
        align_keras="keras.layers.Resizing(7, 7, antialias=True)",
        align_pytorch="torchvision.transforms.v2.Resize(7, antialias=False)",
        bites=1,
        sources=(
            keras_source("layers/preprocessing/image_preprocessing/resizing.py"),
            vision_source("transforms/v2/_geometry.py"),
        ),
        bitten=(
            thread(
                "pytorch/vision",
                2950,
                "In transforms.Resize, tensor interpolate is not the same as PIL resize.",
                "30 June 2021",
            ),
            thread(
                "mindee/doctr",
                402,
                "[interpolation] Investigate difference in resizing/rotation between cv2, TF & Pytorch",
                "9 August 2021",
            ),
        ),
        touches=never,
        quantity="brightness",
        along="pixel",
    ),
    Difference(
        name="batch-order",
        title="The order of batches",
        part=Part.DATA,
        keras=(
            "keras.utils.set_random_seed(0)\n"
            "model.fit(x, y, epochs=2)  # shuffles, with a seed the same way in every epoch"
        ),
        pytorch="torch.manual_seed(0)\nDataLoader(dataset, batch_size=32, shuffle=True)  # a new order in every epoch",
        happens=(
            "No seed makes both take the same rows in the same order. A seeded Keras repeats one order in every epoch."
        ),
        align_keras=(
            "model.fit(x[order], y[order], shuffle=False, epochs=1)  # once an epoch, with an order of your own"
        ),
        align_pytorch="DataLoader(Subset(dataset, order), batch_size=32, shuffle=False)",
        bites=2,
        sources=(keras_source("trainers/data_adapters/array_data_adapter.py"), torch_source("utils/data/sampler.py")),
        bitten=(
            thread(
                "tensorflow/tensorflow",
                29558,
                "model.fit() does not reshuffle the dataset between epochs",
                "8 June 2019",
            ),
        ),
        touches=switched(Switch.BATCH_ORDER),
        kind="switch",
        turned_on="both",
        cost=True,
    ),
    Difference(
        name="batch-size",
        title="Batches by default",
        part=Part.DATA,
        keras="model.fit(x, y)\n# batches of 32, shuffled, the last one may be smaller",
        pytorch="DataLoader(dataset)\n# batches of 1, not shuffled",
        happens=(
            "Where nothing is written, PyTorch takes 32 times as many steps an epoch, and always in the same order."
        ),
        align_keras="model.fit(x, y, batch_size=1, shuffle=False)",
        align_pytorch="DataLoader(dataset, batch_size=32, shuffle=True)",
        bites=2,
        sources=(
            keras_source("trainers/data_adapters/array_data_adapter.py"),
            torch_source("utils/data/dataloader.py"),
        ),
        bitten=(
            thread("Deci-AI/super-gradients", 416, "Default dataloader params have shuffle=False", "3 October 2022"),
        ),
        touches=always(DATA),
        turned_on="both",
        quantity="number of rows in the batch",
        along="step",
    ),
)
