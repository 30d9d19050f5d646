"""The optimisers: PyTorch's own, and in an aligned run the step that Keras makes, in PyTorch."""

from collections.abc import Iterable
from typing import Any

import torch

from core.experiment import parity
from core.experiment.settings import FUSED_IN_TORCH, Optimizer, TrainSettings
from core.experiment.switches import Switch


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
    """RMSprop with Keras' place for epsilon, under the root; `weight_decay` is L2, as in PyTorch's own."""

    def __init__(
        self, weights: Iterable[torch.nn.Parameter], lr: float, momentum: float, alpha: float, weight_decay: float
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "alpha": alpha, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            rho = group["alpha"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state, gradient = self.state[weight], weight.grad
                if group["weight_decay"]:
                    gradient = gradient + group["weight_decay"] * weight
                squares = state.setdefault("squares", torch.zeros_like(weight))
                squares.mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
                change = group["lr"] * gradient / torch.sqrt(squares + parity.KERAS_EPSILON)
                if group["momentum"]:
                    change = state.setdefault("velocity", torch.zeros_like(weight)).mul_(group["momentum"]).add_(change)
                weight.sub_(change)


class KerasStep:
    """Steps an aligned run's weights as Keras does: decay first, by itself, then the update with Keras' constants.

    What the run keeps of PyTorch's defaults (`TrainSettings.aligns`) stays PyTorch's.
    """

    def __init__(self, settings: TrainSettings, weights: Iterable[torch.nn.Parameter]) -> None:
        self.settings, self.weights = settings, list(weights)
        self._rounds = settings.aligns(Switch.ROUNDED_CONSTANTS)
        self._decay = settings.weight_decay if settings.aligns(Switch.WEIGHT_DECAY) else 0.0
        own: dict[str, Any] = {"weight_decay": 0.0} if settings.aligns(Switch.WEIGHT_DECAY) else {}
        if settings.optimizer == Optimizer.RMSPROP:
            self.optimizer = _rmsprop(settings.model_copy(update=own), self.weights)
        else:
            # SGD's momentum is rounded on its way, RMSprop's is not.
            own |= {"momentum": parity.as_keras_rounds(settings.momentum)} if self._rounds else {}
            self.optimizer = as_shipped(settings.model_copy(update=own), self.weights)
        self._taken = 0

    def zero_grad(self) -> None:
        """Forgets the gradients of the last step."""
        self.optimizer.zero_grad()

    def step(self) -> None:
        """One update of every weight."""
        self._taken += 1
        rate, decay = self.settings.learning_rate, self._decay
        if decay:
            decay = parity.as_keras_rounds(decay) if self._rounds else decay
            with torch.no_grad():
                for weight in self.weights:
                    weight.sub_(weight * decay * rate)
        if self.settings.optimizer in (Optimizer.ADAM, Optimizer.ADAMW):
            like_keras = parity.adam_like_keras(self._taken, rate)
            for group in self.optimizer.param_groups:
                if self._rounds:
                    group["lr"] = like_keras[0]
                if self.settings.aligns(Switch.ADAM_EPSILON):
                    group["eps"] = like_keras[1]
        self.optimizer.step()


def _rmsprop(settings: TrainSettings, weights: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Keras' or PyTorch's place for epsilon, and either's decay of the squares."""
    alpha = {"alpha": parity.KERAS_RHO if settings.aligns(Switch.RMSPROP_RHO) else parity.TORCH_RHO}
    options: Any = {"lr": settings.learning_rate, "momentum": settings.momentum, **alpha}
    kind = KerasRMSprop if settings.aligns(Switch.RMSPROP_EPSILON) else torch.optim.RMSprop
    made: torch.optim.Optimizer = kind(weights, weight_decay=settings.weight_decay, **options)
    return made
