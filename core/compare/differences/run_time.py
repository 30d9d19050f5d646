"""Differences of what computes: precision, rounding, calls, and those that only a GPU shows."""

from core.compare.claims import Source
from core.compare.differences.difference import (
    LOOP,
    NETWORK,
    Difference,
    Part,
    always,
    keras_source,
    switched,
    thread,
    torch_source,
)
from core.experiment.switches import Switch

NEEDS_GPU = "It shows on a GPU alone and is not measured here."
TENSORFLOW_CONFIG = Source(
    "TensorFlow 2.21.0, python/framework/config.py",
    "https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/python/framework/config.py",
    "read December 2026",
)

ROWS = (
    Difference(
        name="float32",
        title="float32 instead of float64",
        part=Part.RUN_TIME,
        keras='keras.config.floatx()\n# "float32"',
        pytorch="torch.get_default_dtype()\n# torch.float32",
        happens=(
            "Both compute in float32 by default, each sums in an order of its own, and the last digits differ from the "
            "first step on. Training multiplies such differences."
        ),
        align_keras='keras.config.set_floatx("float64")',
        align_pytorch="torch.set_default_dtype(torch.float64)",
        bites=1,
        sources=(keras_source("backend/config.py"), torch_source("__init__.py")),
        bitten=(
            thread(
                "pytorch/pytorch",
                79270,
                "float32 matrix dot product has different precision in CPU/GPU",
                "10 June 2022",
            ),
        ),
        touches=switched(Switch.FLOAT32),
        kind="switch",
        turned_on="both",
        cost=True,
    ),
    Difference(
        name="rounded-constants",
        title="Constants rounded to float32",
        part=Part.RUN_TIME,
        keras='keras.config.set_floatx("float64")\nkeras.optimizers.Adam()  # 0.9 and 0.999 pass through float32',
        pytorch=(
            "torch.set_default_dtype(torch.float64)\ntorch.optim.Adam(model.parameters())  # 0.9 and 0.999 as they are"
        ),
        happens=(
            "In float64 some of Keras' constants are still rounded to float32 on their way: momentum, betas, weight "
            "decay, the root in GELU. Who compares both to the last digit sees them part."
        ),
        align_keras="# no argument does it",
        align_pytorch="float(np.float32(0.9))  # in place of 0.9, and so on",
        bites=3,
        sources=(keras_source("optimizers/adam.py"),),
        bitten=(),
        touches=switched(Switch.ROUNDED_CONSTANTS),
        kind="switch",
        parts_within=2,
    ),
    Difference(
        name="single-rows",
        title="Answers for one row at a time",
        part=Part.RUN_TIME,
        keras="model.predict(row)\n# sets up an iterator over batches in every call",
        pytorch="model(row)",
        happens=(
            "predict() is made for many rows: called in a loop for single ones, most of its time goes into setting up."
        ),
        align_keras="model(row, training=False)",
        align_pytorch="# nothing to do",
        bites=2,
        sources=(keras_source("backend/tensorflow/trainer.py"),),
        bitten=(thread("tensorflow/tensorflow", 40261, "model.predict is much slower on TF 2.1+", "21 June 2020"),),
        touches=always(LOOP),
        kind="",
        not_measured="It is a matter of time, and the numbers that both answer are the same: it is not measured here.",
    ),
    Difference(
        name="tf32",
        title="TF32 on new GPUs",
        part=Part.GPU,
        keras="tf.config.experimental.tensor_float_32_execution_enabled()\n# True",
        pytorch="torch.backends.cuda.matmul.allow_tf32  # False\ntorch.backends.cudnn.allow_tf32  # True",
        happens=(
            "Matrix products are computed with 10 bits of the mantissa in TensorFlow and with 23 in PyTorch; "
            "convolutions with 10 in both."
        ),
        align_keras="tf.config.experimental.enable_tensor_float_32_execution(False)",
        align_pytorch='torch.set_float32_matmul_precision("high")',
        bites=2,
        sources=(TENSORFLOW_CONFIG, torch_source("backends/cuda/__init__.py")),
        bitten=(
            thread("pytorch/pytorch", 67384, "RFC: Should matmuls use tf32 by default?", "17 April 2022"),
            thread(
                "tensorflow/compression",
                155,
                "Running all tests fail in Colab Pro+, Premium, High-Ram environment (A100-SXM4-40GB)",
                "23 October 2022",
            ),
        ),
        touches=always(NETWORK),
        kind="",
        not_measured=NEEDS_GPU,
    ),
    Difference(
        name="gpu-memory",
        title="GPU memory that is taken at once",
        part=Part.GPU,
        keras="import tensorflow  # takes nearly all memory of the GPU with its first operation",
        pytorch="import torch  # takes what it needs, and keeps it",
        happens="Beside a process with TensorFlow, PyTorch finds no memory left on the same GPU.",
        align_keras=(
            "gpu = tf.config.list_physical_devices('GPU')[0]\ntf.config.experimental.set_memory_growth(gpu, True)"
        ),
        align_pytorch="# nothing to do",
        bites=2,
        sources=(TENSORFLOW_CONFIG,),
        bitten=(thread("jina-ai/finetuner", 328, "TensorFlow paired with PyTorch causes CUDA OOM", "8 January 2022"),),
        touches=always(LOOP),
        kind="",
        not_measured=NEEDS_GPU,
    ),
    Difference(
        name="loss-scale",
        title="The first loss scale in mixed precision",
        part=Part.GPU,
        keras="keras.optimizers.LossScaleOptimizer(optimizer)\n# initial_scale=2**15, doubled every 2,000 steps",
        pytorch="torch.amp.GradScaler()\n# init_scale=2**16, doubled every 2,000 steps",
        happens="In float16 PyTorch begins with gradients twice as large and may skip a step more at the start.",
        align_keras="keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**16)",
        align_pytorch="torch.amp.GradScaler(init_scale=2.0**15)",
        bites=3,
        sources=(keras_source("optimizers/loss_scale_optimizer.py"), torch_source("amp/grad_scaler.py")),
        bitten=(),
        touches=always(LOOP),
        kind="",
        not_measured=NEEDS_GPU,
    ),
)
