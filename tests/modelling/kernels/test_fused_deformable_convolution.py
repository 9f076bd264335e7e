"""The kernel for GPUs: its numbers by Triton's interpreter, its translation for GPUs that aren't here, and on one that is."""

import os
import subprocess
import sys

import pytest
import torch
from torchvision.ops import deform_conv2d

pytest.importorskip("triton", reason="Triton comes with PyTorch for Linux and CUDA")

INTERPRETED = """
import sys
import torch
from hodor.modelling.kernels.fused_deformable_convolution import fused_deformable_convolution
torch.save([fused_deformable_convolution(*case) for case in torch.load(sys.argv[1])], sys.argv[2])
"""
TRANSLATED = """
import sys
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from hodor.modelling.kernels import fused_deformable_convolution as module
pointers = dict.fromkeys(["x", "offsets", "weight", "bias", "result"], "*bf16")
numbers = dict.fromkeys(["height", "width", "pixels"], "i32")
width = int(sys.argv[2])
blocks = {"block_pixels": module._BLOCK_PIXELS, "block_channels": module._BLOCK_CHANNELS}
constants = {"channels": width, "out_channels": width} | blocks
signature = pointers | numbers | dict.fromkeys(constants, "constexpr")
source = ASTSource(fn=module._kernel, signature=signature, constexprs=constants)
kernel = compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32), options={"num_warps": module._NUM_WARPS})
print(kernel.metadata.shared, "mma" in kernel.asm["ptx"])
"""


def case(batch, channels, out, height, width, spread):
    generator = torch.Generator().manual_seed(height * width)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return draw(batch, channels, height, width), spread * draw(batch, 18, height, width), draw(out, channels, 3, 3), draw(out)


CASES = [case(2, 32, 64, 7, 9, 3.0), case(1, 64, 32, 5, 33, 0.5), case(3, 32, 32, 1, 1, 20.0), case(1, 32, 256, 11, 6, 8.0)]


def run(program, *arguments, **environment):
    process = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_equals_torchvision(tmp_path):
    cases = [*CASES, [each.clone() for each in CASES[0]]]
    cases[-1][1][0, 4, 3, 2] = float("nan")
    torch.save(cases, tmp_path / "cases.pt")
    run(INTERPRETED, tmp_path / "cases.pt", tmp_path / "results.pt", TRITON_INTERPRET="1")
    results = torch.load(tmp_path / "results.pt")
    for (x, offsets, weight, bias), ours in zip(CASES, results[:-1], strict=True):
        torch.testing.assert_close(ours, deform_conv2d(x, offsets, weight, bias, padding=1), rtol=1e-4, atol=1e-4)
    broken = results[-1].isnan()
    assert broken[0, :, 3, 2].all()
    assert broken.sum() == broken.shape[1]


@pytest.mark.parametrize(("capability", "width"), [(80, 256), (90, 256), (90, 128)])
def test_can_be_translated_for_gpus_and_fits_their_memory(capability, width):
    shared, uses_tensor_cores = run(TRANSLATED, capability, width).split()
    assert int(shared) <= 160 * 1024
    assert uses_tensor_cores == "True"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("index", range(len(CASES)))
def test_on_a_gpu_agrees_with_torchvision_as_far_as_bf16_can(index):
    from hodor.modelling.kernels.fused_deformable_convolution import fused_deformable_convolution  # noqa: PLC0415 (needs Triton)

    x, offsets, weight, bias = (each.cuda() for each in CASES[index])
    ours = fused_deformable_convolution(x.bfloat16(), offsets, weight, bias).float()
    theirs = deform_conv2d(x, offsets, weight, bias, padding=1)
    assert (ours - theirs).norm() < 0.01 * theirs.norm()
