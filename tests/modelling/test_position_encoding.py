import math

import pytest
import torch

from hodor.modelling.position_encoding import sine_position_encoding

CPU = torch.device("cpu")


def literal(height, width, channels):
    half = channels // 2
    rows = []
    for y in range(1, height + 1):
        for x in range(1, width + 1):
            features = []
            for position, length in ((y, height), (x, width)):
                scaled = position / (length + 1e-6) * 2 * math.pi
                for index in range(half):
                    angle = scaled / 10000 ** (2 * (index // 2) / half)
                    features.append(math.sin(angle) if index % 2 == 0 else math.cos(angle))
            rows.append(features)
    return torch.tensor(rows, dtype=torch.float64)[None]


@pytest.mark.parametrize("channels", [256, 64, 8])
@pytest.mark.parametrize(("height", "width"), [(4, 7), (5, 2), (1, 1)])
def test_equals_the_formula(height, width, channels):
    expected = literal(height, width, channels)
    double = sine_position_encoding(height, width, channels, CPU, torch.float64)
    torch.testing.assert_close(double, expected, rtol=0, atol=1e-14)
    single = sine_position_encoding(height, width, channels, CPU, torch.float32)
    torch.testing.assert_close(single.double(), expected, rtol=0, atol=1e-6)


def test_bfloat16_is_rounded_once():
    single = sine_position_encoding(5, 6, 32, CPU, torch.float32)
    assert torch.equal(sine_position_encoding(5, 6, 32, CPU, torch.bfloat16), single.to(torch.bfloat16))


def test_what_inference_mode_caches_can_be_trained_with():
    with torch.inference_mode():
        encoding = sine_position_encoding(3, 11, 16, CPU, torch.float32)
    assert not encoding.is_inference()
    assert encoding is sine_position_encoding(3, 11, 16, CPU, torch.float32)
    weight = torch.ones(16, requires_grad=True)
    (encoding * weight).sum().backward()
    torch.testing.assert_close(weight.grad, encoding.sum(dim=(0, 1)))
