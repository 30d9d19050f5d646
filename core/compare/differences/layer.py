"""Differences of the layers: padding, activations, orders of weights, masks; `normalisation` has the others."""

from core.compare.differences.difference import (
    Difference,
    Part,
    keras_source,
    never,
    switched,
    thread,
    torch_source,
    where,
)
from core.experiment.layers import Conv, DepthwiseConv, Flatten, Pool
from core.experiment.switches import Switch

ROWS = (
    Difference(
        name="strided-padding",
        title="Padding with a stride",
        part=Part.LAYER,
        keras=(
            'keras.layers.Conv2D(32, 3, strides=2, padding="same")\n'
            "# an even size: nothing left and above, 1 right and below"
        ),
        pytorch=(
            'nn.Conv2d(1, 32, 3, stride=2, padding=1)\n# 1 on each side; padding="same" raises an error with a stride'
        ),
        happens="The shapes are equal, and every window lies one pixel further to the left and above in PyTorch.",
        align_keras='keras.layers.ZeroPadding2D(1)\nkeras.layers.Conv2D(32, 3, strides=2, padding="valid")',
        align_pytorch="nn.ZeroPad2d((0, 1, 0, 1))\nnn.Conv2d(1, 32, 3, stride=2)",
        bites=1,
        sources=(keras_source("layers/convolutional/base_conv.py"), torch_source("nn/modules/conv.py")),
        bitten=(
            thread(
                "taehoonlee/tensornets",
                25,
                "Notes for different padding behaviors when `stride=2, padding='SAME'`",
                "31 August 2018",
            ),
            thread("pytorch/pytorch", 3867, "Implement same padding for convolution operations?", "30 June 2019"),
        ),
        touches=switched(Switch.STRIDED_PADDING),
        kind="switch",
        cost=True,
    ),
    Difference(
        name="flatten-order",
        title="The order of flattened activations",
        part=Part.LAYER,
        keras="keras.layers.Flatten()\n# [N, height, width, channels]: channels change fastest",
        pytorch="nn.Flatten()\n# [N, channels, height, width]: columns change fastest",
        happens=(
            "Weights of a dense layer that follows are copied into the wrong rows, without an error. With one channel "
            "both orders are the same, which hides it."
        ),
        align_keras="keras.layers.Permute((3, 1, 2))\nkeras.layers.Flatten()",
        align_pytorch="x = x.permute(0, 2, 3, 1)  # before nn.Flatten()",
        bites=1,
        sources=(keras_source("layers/reshaping/flatten.py"), torch_source("nn/modules/flatten.py")),
        bitten=(
            thread("gzuidhof/nn-transfer", 16, "I found why it doesn't work!", "12 February 2019"),
            thread("gzuidhof/nn-transfer", 11, "image_data_format('channels_last')", "2 June 2018"),
        ),
        touches=lambda settings, network: [
            node.name for node in network.nodes if isinstance(node.layer, Flatten) and node.arrives[-1] > 1
        ],
        quantity="output",
        along="output",
        parts_within=2,
    ),
    Difference(
        name="leakyrelu-slope",
        title="Leaky ReLU's slope",
        part=Part.LAYER,
        keras='keras.layers.Dense(64, activation="leaky_relu")  # slope 0.2\nkeras.layers.LeakyReLU()  # slope 0.3',
        pytorch="nn.LeakyReLU()\n# slope 0.01",
        happens=(
            "What is below 0 passes with another factor: 20 times as large in Keras' activation, 30 times in its layer."
        ),
        align_keras="keras.layers.LeakyReLU(negative_slope=0.01)",
        align_pytorch="nn.LeakyReLU(0.2)",
        bites=2,
        sources=(
            keras_source("activations/activations.py"),
            keras_source("layers/activations/leaky_relu.py"),
            torch_source("nn/modules/activation.py"),
        ),
        bitten=(
            thread(
                "jinyu121/DW2TF",
                2,
                "Leaky ReLU: Different defaults for alpha between darknet and TF",
                "18 January 2019",
            ),
        ),
        touches=switched(Switch.LEAKYRELU_SLOPE),
        kind="switch",
        cost=True,
    ),
    Difference(
        name="avgpool-padding",
        title="Average over padding",
        part=Part.LAYER,
        keras='keras.layers.AveragePooling2D(3, strides=2, padding="same")\n# the padding is left out of the mean',
        pytorch="nn.AvgPool2d(3, stride=2, padding=1)\n# count_include_pad=True: zeros are counted",
        happens="At the borders PyTorch's means are smaller, since zeros that are no pixels are counted in.",
        align_keras='keras.layers.ZeroPadding2D(1)\nkeras.layers.AveragePooling2D(3, strides=2, padding="valid")',
        align_pytorch="nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)",
        bites=2,
        sources=(keras_source("backend/tensorflow/nn.py"), torch_source("nn/modules/pooling.py")),
        bitten=(
            thread("pytorch/pytorch", 8644, "avg_pool2d/3d padding behaviour default", "19 June 2018"),
            thread("tf-encrypted/tf-encrypted", 75, "averagePooling2d SAME padding issue", "31 August 2018"),
        ),
        touches=switched(Switch.AVGPOOL_PADDING),
        kind="switch",
    ),
    Difference(
        name="gru-gates",
        title="The order of a GRU's gates",
        part=Part.LAYER,
        keras="keras.layers.GRU(4)\n# kernel [in, 3 * 4]: update, reset, new",
        pytorch="nn.GRU(3, 4, batch_first=True)\n# weight_ih_l0 [3 * 4, in]: reset, update, new",
        happens=(
            "Weights that are copied as they stand exchange two gates, without an error. An LSTM's gates are in the "
            "same order in both, but it has two biases in PyTorch and one in Keras."
        ),
        align_keras=(
            "update, reset, new = np.split(kernel, 3, axis=1)\nkernel = np.concatenate([reset, update, new], axis=1)"
        ),
        align_pytorch=(
            "update, reset, new = keras_kernel.T.chunk(3)  # a tensor of Keras' kernel\n"
            "gru.weight_ih_l0.data = torch.cat([reset, update, new])"
        ),
        bites=2,
        sources=(keras_source("layers/rnn/gru.py"), torch_source("nn/modules/rnn.py")),
        bitten=(
            thread("keras-team/keras", 8720, "Weights for CUDNN GRU are in the wrong order", "28 February 2019"),
            thread(
                "keras-team/keras",
                15915,
                "BUG when converting from pytorch GRU model to Keras GRU model",
                "19 January 2022",
            ),
        ),
        touches=never,
        quantity="output",
        along="time step",
    ),
    Difference(
        name="attention-mask",
        title="What True means in an attention mask",
        part=Part.LAYER,
        keras="keras.layers.MultiHeadAttention(2, 4)(x, x, attention_mask=mask)\n# True: look at it",
        pytorch="nn.MultiheadAttention(8, 2, batch_first=True)(x, x, x, attn_mask=mask)\n# True: do not look at it",
        happens="The same mask shows in one framework what it hides in the other; a causal mask lets the future in.",
        align_keras="keras.layers.MultiHeadAttention(2, 4)(x, x, attention_mask=~mask)",
        align_pytorch="nn.MultiheadAttention(8, 2, batch_first=True)(x, x, x, attn_mask=~mask)",
        bites=2,
        sources=(keras_source("layers/attention/multi_head_attention.py"), torch_source("nn/modules/activation.py")),
        bitten=(thread("facebookresearch/detr", 96, "Question about mask variable in transformer", "19 June 2020"),),
        touches=never,
        quantity="output",
        along="time step",
    ),
    Difference(
        name="dropout-masks",
        title="Dropout masks",
        part=Part.LAYER,
        keras="keras.utils.set_random_seed(0)\nkeras.layers.Dropout(0.3)",
        pytorch="torch.manual_seed(0)\nnn.Dropout(0.3)",
        happens=(
            "Both drop at the same rate and scale what is left alike, but no seed makes them drop the same activations."
        ),
        align_keras="# draw the masks yourself and multiply with them: keras.layers.Multiply()([x, mask])",
        align_pytorch="# draw the masks yourself and multiply with them: x * mask",
        bites=2,
        sources=(keras_source("layers/regularization/dropout.py"), torch_source("nn/modules/dropout.py")),
        bitten=(),
        touches=switched(Switch.DROPOUT_MASKS),
        kind="switch",
        turned_on="both",
    ),
    Difference(
        name="gelu",
        title="GELU's approximation",
        part=Part.LAYER,
        keras='keras.ops.gelu(x)  # approximate=True\nkeras.layers.Dense(64, activation="gelu")  # exact',
        pytorch='nn.GELU()  # approximate="none"\nF.gelu(x)',
        happens=(
            "Keras' function approximates GELU by tanh, its activation of the same name does not, and PyTorch's does "
            "not either. They differ by up to 0.0005."
        ),
        align_keras="keras.ops.gelu(x, approximate=False)",
        align_pytorch='nn.GELU(approximate="tanh")',
        bites=3,
        sources=(
            keras_source("ops/nn.py"),
            keras_source("activations/activations.py"),
            torch_source("nn/modules/activation.py"),
        ),
        bitten=(
            thread("AlexanderLutsenko/nobuco", 9, "Added nn.GELU activation", "14 June 2023", True),
            thread(
                "huggingface/pytorch-image-models",
                2533,
                "fix: mnv5 conv_stem bias and GELU with approximate=tanh",
                "3 July 2025",
                True,
            ),
        ),
        touches=never,
        turned_on="keras",
        quantity="output",
        along="input",
    ),
    Difference(
        name="softmax-axis",
        title="The axis of softmax",
        part=Part.LAYER,
        keras="keras.ops.softmax(x)\n# axis=-1",
        pytorch="F.softmax(x)  # without dim: 0 for 1 and 3 axes, else 1; with a warning\nF.softmax(x, dim=-1)",
        happens=(
            "Without dim, PyTorch chooses by the number of axes: of [N, time, classes] it takes the batch. Channels "
            "first need dim=1."
        ),
        align_keras="keras.ops.softmax(x, axis=0)",
        align_pytorch="F.softmax(x, dim=-1)",
        bites=3,
        sources=(keras_source("activations/activations.py"), torch_source("nn/functional.py")),
        bitten=(
            thread("svishwa/crowdcount-cascaded-mtl", 22, "Softmax runtime warning", "21 October 2021"),
            thread("natanielruiz/deep-head-pose", 118, "softmax", "19 July 2022"),
        ),
        touches=never,
        quantity="output",
        along="output",
    ),
    Difference(
        name="embedding-padding",
        title="The padding row of an embedding",
        part=Part.LAYER,
        keras="keras.layers.Embedding(10, 4, mask_zero=True)\n# row 0 is drawn and trained like any other",
        pytorch="nn.Embedding(10, 4, padding_idx=0)\n# row 0 is zero and stays zero",
        happens=(
            "Keras hands a mask to the layers that understand one; where none does, row 0 counts and learns. PyTorch "
            "hands on no mask, but the row adds nothing and learns nothing."
        ),
        align_keras="# no argument does it: set row 0 to zero after every step",
        align_pytorch="nn.Embedding(10, 4)  # and a mask of your own",
        bites=3,
        sources=(keras_source("layers/core/embedding.py"), torch_source("nn/modules/sparse.py")),
        bitten=(
            thread(
                "keras-team/keras",
                5392,
                "Why is the first padding vector in embedding layer updated during training",
                "14 February 2017",
            ),
            thread("keras-team/keras", 2897, "What is the effect of mask_zero=True", "4 June 2016"),
        ),
        touches=never,
        quantity="sum of the padding row",
        along="step",
    ),
    Difference(
        name="same-padding",
        title="Padding without a stride",
        part=Part.LAYER,
        keras='keras.layers.Conv2D(32, 4, padding="same")\n# an even kernel: 1 left and above, 2 right and below',
        pytorch='nn.Conv2d(1, 32, 4, padding="same")\n# the same',
        happens="Nothing: without a stride both pad alike, for even kernels, too.",
        align_keras="# nothing to do",
        align_pytorch="# nothing to do",
        bites=3,
        sources=(keras_source("layers/convolutional/base_conv.py"), torch_source("nn/modules/conv.py")),
        bitten=(),
        touches=where(lambda layer: isinstance(layer, Conv | DepthwiseConv) and layer.same and layer.stride == 1),
        turned_on="both",
        quantity="output",
        along="pixel",
        parts_within=0,
    ),
)


def _stride(layer: Conv | DepthwiseConv | Pool) -> int:
    return layer.step if isinstance(layer, Pool) else layer.stride
