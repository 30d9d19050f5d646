"""The optimisers: PyTorch's own, and in an aligned run the step that Keras makes, in PyTorch."""

from collections.abc import Iterable
from typing import Any

import torch

from core.experiment import parity
from core.experiment.settings import FUSED_IN_TORCH, Optimizer, TrainSettings


def as_shipped(
    settings: TrainSettings, weights: Iterable[torch.nn.Parameter], fused: bool | None = None
) -> torch.optim.Optimizer:
    """PyTorch's own, its arguments as its users write them; Adam's, SGD's and RMSprop's `weight_decay` is L2."""
    rate, decay = settings.learning_rate, settings.weight_decay
    fused = fused if settings.optimizer in FUSED_IN_TORCH else None
    options: dict[str, Any] = {"fused": fused} if fused is not None else {}
    match settings.optimizer:
        case Optimizer.ADAM:
            return torch.optim.Adam(weights, lr=rate, weight_decay=decay, **options)
        case Optimizer.ADAMW:
            return torch.optim.AdamW(weights, lr=rate, weight_decay=decay, **options)
        case Optimizer.SGD | Optimizer.NESTEROV:
            nesterov = settings.optimizer == Optimizer.NESTEROV
            return torch.optim.SGD(
                weights, lr=rate, momentum=settings.momentum, nesterov=nesterov, weight_decay=decay, **options
            )
        case Optimizer.RMSPROP:
            return torch.optim.RMSprop(weights, lr=rate, momentum=settings.momentum, weight_decay=decay)


class KerasRMSprop(torch.optim.Optimizer):
    """RMSprop with Keras' place for epsilon, under the root, and Keras' decay of the squares."""

    def __init__(self, weights: Iterable[torch.nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        rho, epsilon = parity.KERAS_RHO, parity.KERAS_EPSILON
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                squares = state.setdefault("squares", torch.zeros_like(weight))
                squares.mul_(rho).addcmul_(weight.grad, weight.grad, value=1 - rho)
                change = group["lr"] * weight.grad / torch.sqrt(squares + epsilon)
                if group["momentum"]:
                    change = state.setdefault("velocity", torch.zeros_like(weight)).mul_(group["momentum"]).add_(change)
                weight.sub_(change)


class KerasStep:
    """Steps an aligned run's weights as Keras does: decay first, by itself, then the update with Keras' constants."""

    def __init__(self, settings: TrainSettings, weights: Iterable[torch.nn.Parameter]) -> None:
        self.settings, self.weights = settings, list(weights)
        if settings.optimizer == Optimizer.RMSPROP:
            self.optimizer: torch.optim.Optimizer = KerasRMSprop(
                self.weights, settings.learning_rate, settings.momentum
            )
        else:
            # SGD's momentum is rounded on its way, RMSprop's is not.
            constants = {"weight_decay": 0.0, "momentum": parity.as_keras_rounds(settings.momentum)}
            self.optimizer = as_shipped(settings.model_copy(update=constants), self.weights)
        self._taken = 0

    def zero_grad(self) -> None:
        """Forgets the gradients of the last step."""
        self.optimizer.zero_grad()

    def step(self) -> None:
        """One update of every weight."""
        self._taken += 1
        rate, decay = self.settings.learning_rate, parity.as_keras_rounds(self.settings.weight_decay)
        if decay:
            with torch.no_grad():
                for weight in self.weights:
                    weight.sub_(weight * decay * rate)
        if self.settings.optimizer in (Optimizer.ADAM, Optimizer.ADAMW):
            rate, epsilon = parity.adam_like_keras(self._taken, rate)
            for group in self.optimizer.param_groups:
                group["lr"], group["eps"] = rate, epsilon
        self.optimizer.step()
