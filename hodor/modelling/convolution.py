"""3x3 convolutions by minimal filtering (Winograd; Lavin and Gray 2016, arXiv 1509.09308): a quarter of the multiplications.

Four by four results of one channel need 16 * 9 = 144 multiplications when computed one by one, but only 36 when six by six
inputs and the kernel are first transformed by sums, multiplied, and transformed back; summing over channels happens between the
transforms. The result differs from the direct convolution by float32 rounding (2e-6 of its norm).
"""

import functools

import torch
from torch import nn
from torch.nn import functional as F

_TILE = 4  # results per side
_REACH = _TILE + 2  # inputs per side
_MIN_CHANNELS = 128  # below, the transforms cost more than the products save
_MIN_PIXELS = 4096
_TILES_AT_ONCE = 128  # what fits into the caches

# For the points 0, 1, -1, 2, -2 and infinity. Row by row: input transform, kernel transform, output transform.
_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


class Convolution3x3(nn.Conv2d):
    """A 3x3 convolution with padding 1, by minimal filtering where that is faster: without gradient, on a CPU, in float32."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, D, H, W]."""
        if self._gains_by_minimal_filtering(x):
            return minimal_filtering(x, self.weight, self.bias)
        return super().forward(x)

    def _gains_by_minimal_filtering(self, x: torch.Tensor) -> bool:
        return (
            x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and not torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
            and min(self.in_channels, self.out_channels) >= _MIN_CHANNELS
            and x.shape[2] * x.shape[3] >= _MIN_PIXELS
        )


def minimal_filtering(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Convolves with padding 1.

    Args:
        x: [B, C, H, W].
        weight: [D, C, 3, 3].
        bias: [D] or None.

    Returns:
        [B, D, H, W], channels last in memory.
    """
    batch, channels, height, width = x.shape
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    below, right = _TILE * rows + 1 - height, _TILE * columns + 1 - width
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, right, 1, below)).contiguous()
    tiles = padded.unfold(1, _REACH, _TILE).unfold(2, _REACH, _TILE)  # [B, rows, columns, C, 6, 6], a view
    tiles = tiles.permute(0, 4, 5, 1, 2, 3)
    kernel = _transformed_kernel(weight)
    result = x.new_empty(batch, rows, _TILE, columns, _TILE, len(weight))
    rows_at_once = max(1, _TILES_AT_ONCE // columns)
    for image in range(batch):
        for row in range(0, rows, rows_at_once):
            block = tiles[image, :, :, row : row + rows_at_once]
            found = _filter(block.reshape(_REACH**2, -1, channels), kernel)
            target = result[image, row : row + rows_at_once]
            target.copy_(found.view(_TILE, _TILE, len(target), columns, -1).permute(2, 0, 3, 1, 4))
    result = result.view(batch, _TILE * rows, _TILE * columns, -1)[:, :height, :width]
    if bias is not None:
        result = result + bias
    return result.permute(0, 3, 1, 2)


def _filter(tiles: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Tiles [36, N, C] and a transformed kernel [36, C, D] -> results [16, N * D]."""
    forth, back = _transforms(tiles.dtype)
    transformed = (forth @ tiles.flatten(1)).view_as(tiles)
    return back @ torch.bmm(transformed, kernel).flatten(1)


def _transformed_kernel(weight: torch.Tensor) -> torch.Tensor:
    """[D, C, 3, 3] -> [36, C, D]."""
    matrix = torch.tensor(_KERNEL, dtype=weight.dtype)
    return torch.einsum("ia,dcab,jb->ijcd", matrix, weight, matrix).flatten(0, 1).contiguous()


@functools.lru_cache(maxsize=2)
def _transforms(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Of whole tiles, in row order: inputs [36, 36] and outputs [16, 36]."""
    with torch.inference_mode(False):
        forth, back = torch.tensor(_INPUT, dtype=dtype), torch.tensor(_OUTPUT, dtype=dtype)
        return torch.kron(forth, forth), torch.kron(back, back)
