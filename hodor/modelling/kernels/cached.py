"""Tensors that depend on sizes alone: made once, and constants to compiled code."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import torch

Arguments = ParamSpec("Arguments")


def cached(count: int) -> Callable[[Callable[Arguments, torch.Tensor]], Callable[Arguments, torch.Tensor]]:
    """A decorator: keeps the latest `count` results of a function by its arguments. They are shared; don't write to them."""

    def decorate(function: Callable[Arguments, torch.Tensor]) -> Callable[Arguments, torch.Tensor]:
        @functools.lru_cache(maxsize=count)
        def lookup(*arguments: Arguments.args, **named: Arguments.kwargs) -> torch.Tensor:
            with torch.inference_mode(False), torch.no_grad():
                return function(*arguments, **named)

        @torch.compiler.assume_constant_result
        def constant(*arguments: Arguments.args, **named: Arguments.kwargs) -> torch.Tensor:
            return lookup(*arguments, **named)  # type: ignore[arg-type]

        constant.__doc__ = function.__doc__
        return constant

    return decorate
