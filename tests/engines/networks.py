"""Networks that more than one test of the engines trains."""

EVERY_LAYER = (
    "conv 8 3 stride 2 same, batchnorm, leakyrelu, depthwise 3 same gelu, avgpool 3 stride 2 same, layernorm, "
    "dropout 0.2, conv 6 2 stride 2 same elu, maxpool 3 stride 1 same, flatten, layernorm, dropout, "
    "dense 16 silu, dense 12, batchnorm, tanh, dropout 0.1, dense 10"
)
"""What the frameworks define differently, and statistics among the weights."""
THIN = "conv 4 3 relu, maxpool 2, conv 8 3 relu, maxpool 2, flatten, dropout, dense 10"
"""The article's network with fewer filters, where any network would do: float64 is slow."""
