"""Tensors that depend on sizes alone: made once; compiled code makes them as part of its own."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

Function = TypeVar("Function", bound=Callable[..., Any])


def cached(function: Function) -> Function:
    """A decorator: keeps the latest 16 results of a function by its arguments. They are shared; don't write to them."""
    lookup = functools.lru_cache(maxsize=16)(torch.inference_mode(False)(torch.no_grad()(function)))

    @functools.wraps(function)
    def made_once(*arguments: Any) -> Any:
        return function(*arguments) if torch.compiler.is_compiling() else lookup(*arguments)

    return cast(Function, made_once)
