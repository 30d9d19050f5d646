"""PyTorch's side of the catalogue's probes: `kept` turns its own default on, else it does as Keras does."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from core.compare.probes import differences_inputs as inputs
from core.compare.probes.differences_inputs import listed
from core.experiment import parity

Probe = Callable[[bool], list[float]]


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _linear(inputs_: int, outputs: int, weight: Any) -> nn.Linear:
    """With Keras' kernel [in, out] and a bias of zero."""
    layer = nn.Linear(inputs_, outputs)
    layer.weight.data = _tensor(weight.T)
    nn.init.zeros_(layer.bias)
    return layer


# --- optimisers ----------------------------------------------------------------------------------------


def _stepped(
    make: Callable[[list[torch.Tensor]], torch.optim.Optimizer],
    gradient: Callable[[torch.Tensor], torch.Tensor] = torch.clone,
    before: Callable[[torch.optim.Optimizer, int], None] | None = None,
) -> list[float]:
    """A single weight after every step, from 1; `gradient` of it, by default that of half its square."""
    weight = torch.ones(1, requires_grad=True)
    optimizer = make([weight])
    found = []
    for step in range(inputs.STEPS):
        if before is not None:
            before(optimizer, step)
        weight.grad = gradient(weight.detach())
        optimizer.step()
        found.append(weight.item())
    return found


def _sgd_learning_rate(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"lr": inputs.RATE}
    return _stepped(lambda weights: torch.optim.SGD(weights, **options))


def _sgd_momentum(kept: bool) -> list[float]:
    def lower(optimizer: torch.optim.Optimizer, step: int) -> None:
        if step == inputs.LOWER_AT:
            optimizer.param_groups[0]["lr"] = inputs.LOWER_RATE
            for state in () if kept else optimizer.state.values():
                state["momentum_buffer"] *= inputs.RATE / inputs.LOWER_RATE

    return _stepped(lambda weights: torch.optim.SGD(weights, inputs.RATE, momentum=inputs.MOMENTUM), before=lower)


def _l2_penalty(kept: bool) -> list[float]:
    decay = inputs.DECAY if kept else 2 * inputs.DECAY
    return _stepped(lambda weights: torch.optim.SGD(weights, inputs.RATE, weight_decay=decay))


def _adamw_decay(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"lr": inputs.SHARP, "weight_decay": inputs.DECAY}
    return _stepped(lambda weights: torch.optim.AdamW(weights, **options), torch.zeros_like)


def _rmsprop_learning_rate(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"lr": inputs.SHARP}
    return _stepped(lambda weights: torch.optim.RMSprop(weights, alpha=inputs.MOMENTUM, eps=0.0, **options))


def _adagrad_start(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"initial_accumulator_value": inputs.RATE}
    return _stepped(lambda weights: torch.optim.Adagrad(weights, inputs.RATE, eps=0.0, **options))


def _adadelta_defaults(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"lr": 1.0, "rho": inputs.MOMENTUM, "eps": inputs.SHARP}
    return _stepped(lambda weights: torch.optim.Adadelta(weights, **options))


def _clip_norm(kept: bool) -> list[float]:
    weights = [torch.ones(2, requires_grad=True) for _ in range(2)]
    for weight, gradient in zip(weights, ([3.0, 4.0], [1.5, 2.0]), strict=True):
        weight.grad = torch.tensor(gradient)
        if not kept:
            weight.grad /= weight.grad.norm().clamp(min=1.0)
    if kept:
        nn.utils.clip_grad_norm_(weights, 1.0)
    torch.optim.SGD(weights, 0.5).step()
    return [number for weight in weights for number in weight.tolist()]


# --- losses --------------------------------------------------------------------------------------------


def _label_shape(kept: bool) -> list[float]:
    x, y = map(_tensor, inputs.line())
    slope, offset = torch.full((1, 1), 0.5, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer, loss_of, found = torch.optim.SGD([slope, offset], inputs.RATE), nn.MSELoss(), []
    for _ in range(inputs.STEPS):
        loss = loss_of(x @ slope + offset, y if kept else y[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def _softmax_twice(kept: bool) -> list[float]:
    x, y = map(_tensor, inputs.classes_of())
    model = nn.Sequential(_linear(20, 10, inputs.normal(9, 20, 10) / 8))
    if kept:
        model.append(nn.Softmax(dim=1))
    optimizer, loss_of, found = torch.optim.SGD(model.parameters(), 1.0), nn.CrossEntropyLoss(), []
    for _ in range(inputs.LONG):
        loss = loss_of(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def _class_weights(kept: bool) -> list[float]:
    loss_of = nn.CrossEntropyLoss(weight=torch.tensor(inputs.CLASS_WEIGHTS))
    return [loss_of(_tensor(logits), _tensor(y)).item() for logits, y in inputs.batches()]


def _kl_divergence(kept: bool) -> list[float]:
    loss_of = nn.KLDivLoss() if kept else nn.KLDivLoss(reduction="batchmean")
    target = _tensor(inputs.probabilities(inputs.normal(11, 8, inputs.CLASSES)))
    outputs = [_tensor(inputs.probabilities(logits)) for logits, _ in inputs.batches()]
    return [loss_of(output.log(), target).item() for output in outputs]


def _binary_accuracy(kept: bool) -> list[float]:
    found = [(_tensor(logits) > 0) == _tensor(y) for logits, y in inputs.binary_batches()]
    return [right.double().mean().item() for right in found]


def _probability_clip(kept: bool) -> list[float]:
    pairs = [np.array([[0.0, float(logit)]]) for logit in range(1, 31)]
    y = torch.tensor([0])
    return [nn.NLLLoss()(_tensor(inputs.probabilities(logits)).log(), y).item() for logits in pairs]


# --- layers --------------------------------------------------------------------------------------------


def _groupnorm_epsilon(kept: bool) -> list[float]:
    layer = nn.GroupNorm(4, 8) if kept else nn.GroupNorm(4, 8, eps=inputs.SHARP)
    x = _tensor((0.01 * inputs.normal(12, 2, 3, 3, 8)).transpose(0, 3, 1, 2))
    return listed(layer(x).permute(0, 2, 3, 1).detach())[:50]


def _unbiased_variance(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"correction": 0}
    return [torch.var(_tensor(inputs.normal(13, size)), **options).item() for size in range(2, 31)]


def _flatten_order(kept: bool) -> list[float]:
    x = _tensor(np.arange(1.0, 19.0).reshape(1, 3, 3, 2).transpose(0, 3, 1, 2))
    return listed(nn.Flatten()(x if kept else x.permute(0, 2, 3, 1)))


def _gru_gates(kept: bool) -> list[float]:
    weights = inputs.gru_weights()
    gru = nn.GRU(3, 4, batch_first=True)
    gru.weight_ih_l0.data = _gates(weights["kernel"].T, kept)
    gru.weight_hh_l0.data = _gates(weights["recurrent"].T, kept)
    gru.bias_ih_l0.data, gru.bias_hh_l0.data = (_gates(bias, kept) for bias in weights["bias"])
    outputs, _ = gru(_tensor(inputs.normal(14, 1, 10, 3)))
    return listed(outputs[0, :, 0].detach())


def _gates(array: Any, as_they_stand: bool) -> torch.Tensor:
    """Keras' update, reset, new as PyTorch's reset, update, new."""
    update, reset, new = _tensor(array).chunk(3)
    return torch.cat([update, reset, new] if as_they_stand else [reset, update, new])


def _attention_mask(kept: bool) -> list[float]:
    weights = inputs.attention_weights()
    attention = nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
    kernels = [weights[name].reshape(8, 8).T for name in ("query", "key", "value")]
    attention.in_proj_weight.data = _tensor(np.concatenate(kernels))
    attention.out_proj.weight.data = _tensor(weights["output"].reshape(8, 8).T)
    x, mask = _tensor(inputs.normal(15, 1, 6, 8)), _tensor(inputs.attention_mask())
    outputs, _ = attention(x, x, x, attn_mask=mask if kept else ~mask)
    return listed(outputs[0, :, 0].detach())


def _gelu(kept: bool) -> list[float]:
    # Exact, with Keras' constant: rounding it is a row of its own.
    x = _tensor(np.linspace(-4, 4, 50))
    return listed(0.5 * x * (1 + torch.erf(x * parity.as_keras_rounds(0.5**0.5))))


def _softmax_axis(kept: bool) -> list[float]:
    x = _tensor(inputs.normal(16, 2, 3, 4))
    return listed(functional.softmax(x) if kept else functional.softmax(x, dim=-1))


def _embedding_padding(kept: bool) -> list[float]:
    start = torch.tensor([[0.5, 0.25]] * 4)
    embedding = nn.Embedding(4, 2, padding_idx=0 if kept else None)
    with torch.no_grad():
        embedding.weight[1 if kept else 0 :] = start[1 if kept else 0 :]
    optimizer, found = torch.optim.SGD(embedding.parameters(), inputs.RATE), []
    for _ in range(inputs.STEPS):
        loss = embedding(torch.tensor([[0, 1]])).square().sum() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(embedding.weight[0].sum().item())
    return found


def _same_padding(kept: bool) -> list[float]:
    conv = nn.Conv2d(1, 1, 4, padding="same", bias=False)
    conv.weight.data = _tensor(inputs.normal(17, 4, 4, 1, 1).transpose(3, 2, 0, 1))
    return listed(conv(_tensor(inputs.pattern()[None, None, :8, :8])).detach())


def _embedding_initialiser(kept: bool) -> list[float]:
    found = []
    for seed in range(5):
        embedding = nn.Embedding(1000, 64)
        if not kept:
            embedding.weight.data = _tensor(inputs.normal(40 + seed, 1000, 64))
        found.append(float(np.std(embedding.weight.detach().numpy())))
    return found


def _lstm_start(kept: bool) -> list[float]:
    biases = {name: one.detach() for name, one in nn.LSTM(32, 64).named_parameters() if name.startswith("bias")}
    if not kept:
        for bias in biases.values():
            nn.init.zeros_(bias)
        biases["bias_ih_l0"][64:128] = 1
    whole = torch.stack([*biases.values()]).sum(0)
    return [gate.mean().item() for gate in whole.reshape(4, 64)]


# --- the loop ------------------------------------------------------------------------------------------


def _evaluation_mode(kept: bool) -> list[float]:
    first, last = _linear(20, 8, inputs.normal(20, 20, 8)), _linear(8, 1, inputs.normal(21, 8, 1))
    model = nn.Sequential(first, nn.ReLU(), nn.Dropout(0.5), last)
    if not kept:
        model.eval()
    return listed(model(_tensor(inputs.normal(19, 20, 20))).detach())


def _epoch_loss(kept: bool) -> list[float]:
    x, y = _tensor(inputs.normal(22, 40, 4)), _tensor(inputs.normal(23, 40, 1))
    model, loss_of = _linear(4, 1, inputs.normal(24, 4, 1)), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), inputs.DECAY)
    found = []
    for _ in range(10):
        losses = []
        for rows in torch.arange(len(x)).split(32):  # type: ignore[no-untyped-call]
            loss = loss_of(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append((loss.item(), len(rows)))
        weighted = sum(loss * rows for loss, rows in losses) / len(x)
        found.append(sum(loss for loss, _ in losses) / len(losses) if kept else weighted)
    return found


def _rates(
    schedule_of: Callable[[torch.optim.Optimizer], Any], places: int, step: Callable[[Any, int], None], after: bool
) -> list[float]:
    """The rate at every place; `step` moves the schedule on, after which or before which it is read."""
    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], 0.5)
    schedule = schedule_of(optimizer)
    found = []
    for place in range(places):
        optimizer.step()  # else PyTorch warns of the order
        if after:
            step(schedule, place)
        found.append(float(optimizer.param_groups[0]["lr"]))
        if not after:
            step(schedule, place)
    return found


def _plateau_patience(kept: bool) -> list[float]:
    patience = inputs.PATIENCE if kept else inputs.PATIENCE - 1
    options: dict[str, Any] = {} if kept else {"threshold_mode": "abs"}

    def made(optimizer: torch.optim.Optimizer) -> Any:
        kind = torch.optim.lr_scheduler.ReduceLROnPlateau
        return kind(optimizer, factor=0.5, patience=patience, **options)

    losses = inputs.PLATEAU
    return _rates(made, len(losses), lambda schedule, place: schedule.step(losses[place]), after=True)


def _cosine_end(kept: bool) -> list[float]:
    def made(optimizer: torch.optim.Optimizer) -> Any:
        kind = torch.optim.lr_scheduler.CosineAnnealingLR
        return kind(optimizer, inputs.COSINE_STEPS, eta_min=0.5 * inputs.FLOOR_SHARE)

    def step(schedule: Any, place: int) -> None:
        if kept or place < inputs.COSINE_STEPS:
            schedule.step()

    return _rates(made, 2 * inputs.COSINE_STEPS + 1, step, after=False)


def _schedule_step(kept: bool) -> list[float]:
    def step(schedule: Any, place: int) -> None:
        if not kept or place % inputs.EPOCH_STEPS == inputs.EPOCH_STEPS - 1:
            schedule.step()

    def made(optimizer: torch.optim.Optimizer) -> Any:
        return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    return _rates(made, 3 * inputs.EPOCH_STEPS, step, after=False)


# --- the data ------------------------------------------------------------------------------------------


def _resizing_antialias(kept: bool) -> list[float]:
    from torchvision.transforms import v2

    options: dict[str, Any] = {} if kept else {"antialias": False}
    return listed(v2.Resize(4, **options)(_tensor(inputs.pattern()[None, None])))


def _batch_size(kept: bool) -> list[float]:
    options: dict[str, Any] = {} if kept else {"batch_size": 32}
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(100, 1)), **options)
    return [float(len(rows)) for (rows,) in loader]


PROBES: dict[str, Probe] = {
    "label-shape": _label_shape,
    "softmax-twice": _softmax_twice,
    "class-weights": _class_weights,
    "kl-divergence": _kl_divergence,
    "binary-accuracy": _binary_accuracy,
    "probability-clip": _probability_clip,
    "groupnorm-epsilon": _groupnorm_epsilon,
    "unbiased-variance": _unbiased_variance,
    "flatten-order": _flatten_order,
    "gru-gates": _gru_gates,
    "attention-mask": _attention_mask,
    "gelu": _gelu,
    "softmax-axis": _softmax_axis,
    "embedding-padding": _embedding_padding,
    "same-padding": _same_padding,
    "embedding-initialiser": _embedding_initialiser,
    "lstm-start": _lstm_start,
    "evaluation-mode": _evaluation_mode,
    "epoch-loss": _epoch_loss,
    "plateau-patience": _plateau_patience,
    "cosine-end": _cosine_end,
    "schedule-step": _schedule_step,
    "sgd-learning-rate": _sgd_learning_rate,
    "sgd-momentum": _sgd_momentum,
    "l2-penalty": _l2_penalty,
    "adamw-decay": _adamw_decay,
    "rmsprop-learning-rate": _rmsprop_learning_rate,
    "clip-norm": _clip_norm,
    "adagrad-start": _adagrad_start,
    "adadelta-defaults": _adadelta_defaults,
    "resizing-antialias": _resizing_antialias,
    "batch-size": _batch_size,
}
"""By the row's name."""


def numbers(name: str, kept: bool) -> list[float]:
    """PyTorch's numbers of a row."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of shapes and axes: what follows from them is what is measured
            return PROBES[name](kept)
    finally:
        torch.set_default_dtype(torch.float32)
