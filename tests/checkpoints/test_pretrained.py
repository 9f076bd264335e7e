"""ImageNet weights of timm under our names."""

import pytest
import torch

from hodor.checkpoints.pretrained import rename_timm
from hodor.modelling.swin import SWIN_SIZES, SwinTransformer

timm = pytest.importorskip("timm")


def test_timms_swin_computes_the_same_with_its_weights():
    torch.manual_seed(0)
    theirs = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, num_classes=0, img_size=448).eval()
    ours = SwinTransformer(*SWIN_SIZES["swin_tiny"]).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    renamed = rename_timm(theirs.state_dict())
    norms = {name: value for name, value in ours.state_dict().items() if name.startswith("norms.")}
    assert renamed.keys() == ours.state_dict().keys() - norms.keys()
    ours.load_state_dict(renamed | norms)
    image = torch.randn(1, 3, 448, 448)
    with torch.no_grad():
        last = theirs.norm(theirs.layers(theirs.patch_embed(image)))  # [B, h, w, C]
        found = ours(image)[-1].movedim(1, 3)
    expected = torch.nn.functional.layer_norm((last - theirs.norm.bias) / theirs.norm.weight, last.shape[-1:])
    assert torch.allclose(found, expected, atol=2e-3)
