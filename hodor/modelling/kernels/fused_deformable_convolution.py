"""Deformable 3x3 convolution for inference on NVIDIA GPUs: sampling and product in one kernel, samples never leave the chip."""

import contextlib
import functools
import logging

import torch
import triton
import triton.language as tl

_LOGGER = logging.getLogger(__name__)
_BLOCK_PIXELS = 64
_BLOCK_CHANNELS = 32
_NUM_WARPS = 8


def fused_deformable_convolution(
    x: torch.Tensor, offsets: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """As `deformable_convolution`, without gradients, in the precision of `x`; offsets keep theirs, sums are float32.

    C must be a multiple of 32, D a power of two and at least 16. The result has channels last; `x` had best have, too.
    """
    batch, channels, height, width = x.shape
    out_channels, pixels = weight.shape[0], batch * height * width
    result = x.new_empty(batch, height, width, out_channels)
    guarded = x.is_cuda and not torch.compiler.is_compiling()  # Triton starts kernels on the current device
    with torch.cuda.device(x.device) if guarded else contextlib.nullcontext():
        _kernel[(triton.cdiv(pixels, _BLOCK_PIXELS),)](
            x.permute(0, 2, 3, 1).contiguous(),
            offsets.contiguous(),
            weight.to(x.dtype).permute(2, 3, 1, 0).contiguous(),
            bias.to(x.dtype),
            result,
            height,
            width,
            pixels,
            channels=channels,
            out_channels=out_channels,
            block_pixels=_BLOCK_PIXELS,
            block_channels=_BLOCK_CHANNELS,
            num_warps=_NUM_WARPS,
        )
    return result.permute(0, 3, 1, 2)


@torch.compiler.assume_constant_result
def works_on(device: torch.device) -> bool:
    """Whether the kernel can be used on a device, found out once by using it; Triton needs a C compiler, for example."""
    return _tried(device)


@functools.lru_cache(maxsize=16)
def _tried(device: torch.device) -> bool:
    x = torch.ones(1, _BLOCK_CHANNELS, 2, 2, dtype=torch.bfloat16, device=device)
    weight = torch.ones(_BLOCK_CHANNELS, _BLOCK_CHANNELS, 3, 3, device=device)
    try:
        result = fused_deformable_convolution(x, x.new_zeros(1, 18, 2, 2), weight, weight[:, 0, 0, 0])
        return bool((result == 4 * _BLOCK_CHANNELS + 1).all())
    except Exception as error:  # whatever it is, there is another way
        reason = (str(error).splitlines() or [""])[0]
        _LOGGER.warning("the fused deformable convolution can't be used on %s, so torchvision's is: %s", device, reason)
        return False


@triton.jit
def _kernel(  # noqa: PLR0917 (Triton's way)
    x: tl.tensor,  # [B, H, W, C]
    offsets: tl.tensor,  # [B, 18, H, W]
    weight: tl.tensor,  # [9, C, D]
    bias: tl.tensor,  # [D]
    result: tl.tensor,  # [B, H, W, D]
    height: int,
    width: int,
    pixels: int,  # B * H * W
    channels: tl.constexpr,
    out_channels: tl.constexpr,
    block_pixels: tl.constexpr,
    block_channels: tl.constexpr,
) -> None:
    """Every program computes all output channels of block_pixels pixels: per tap and block of channels, samples x weights."""
    pixel = tl.program_id(0) * block_pixels + tl.arange(0, block_pixels)
    exists = pixel < pixels
    image = pixel // (height * width)
    row = pixel // width % height
    column = pixel % width
    output = tl.arange(0, out_channels)
    channel = tl.arange(0, block_channels)
    total = tl.zeros((block_pixels, out_channels), tl.float32)
    for tap in range(9):
        shift = offsets + (image * 18 + 2 * tap) * height * width + pixel % (height * width)
        y = tl.load(shift, mask=exists, other=0.0).to(tl.float32) + (row + tap // 3 - 1).to(tl.float32)
        z = tl.load(shift + height * width, mask=exists, other=0.0).to(tl.float32) + (column + tap % 3 - 1).to(tl.float32)
        top, left = tl.floor(y), tl.floor(z)
        down, right = y - top, z - left
        for first in range(0, channels, block_channels):
            samples = tl.zeros((block_pixels, block_channels), tl.float32)
            for corner in tl.static_range(4):
                near_row, near_column = top + corner // 2, left + corner % 2
                share = (down if corner // 2 else 1 - down) * (right if corner % 2 else 1 - right)
                inside = exists & (near_row >= 0) & (near_row < height) & (near_column >= 0) & (near_column < width)
                near_row = tl.where(inside, near_row, 0.0).to(tl.int32)  # NaN is not inside, and its share makes the sample NaN
                near_column = tl.where(inside, near_column, 0.0).to(tl.int32)
                place = ((image * height + near_row) * width + near_column) * channels + first
                values = tl.load(x + place[:, None] + channel[None], mask=inside[:, None], other=0.0)
                samples += values.to(tl.float32) * share[:, None]
            rows = (tap * channels + first + channel) * out_channels
            matrix = tl.load(weight + rows[:, None] + output[None])
            total = tl.dot(samples.to(matrix.dtype), matrix, total, input_precision="ieee")
    total += tl.load(bias + output)[None].to(tl.float32)
    tl.store(result + pixel[:, None] * out_channels + output[None], total.to(result.dtype.element_ty), mask=exists[:, None])
