"""Tensors that depend on sizes alone: made once; compiled code makes them as part of its own."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

Arguments = ParamSpec("Arguments")
Tensors = TypeVar("Tensors")


def cached(function: Callable[Arguments, Tensors]) -> Callable[Arguments, Tensors]:
    """A decorator: keeps the latest 16 results of a function by its arguments. They are shared; don't write to them."""

    @functools.lru_cache(maxsize=16)
    def lookup(*arguments: Arguments.args, **named: Arguments.kwargs) -> Tensors:
        with torch.inference_mode(False), torch.no_grad():
            return function(*arguments, **named)

    @functools.wraps(function)
    def made_once(*arguments: Arguments.args, **named: Arguments.kwargs) -> Tensors:
        make = function if torch.compiler.is_compiling() else lookup
        return make(*arguments, **named)  # type: ignore[arg-type]

    return made_once
