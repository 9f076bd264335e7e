import pytest
import timm
import torch
from support.goldens import STATIC_RECIPE

from hodor.checkpoints.pretrained import rename_timm
from hodor.errors import HodorError
from hodor.modelling.build import build_model
from hodor.modelling.swin import SWIN_SIZES, SwinTransformer
from hodor.modelling.timm_backbone import TimmBackbone

STRIDES = (4, 8, 16, 32)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto"])
def test_gives_maps_at_the_four_strides(name):
    backbone = TimmBackbone(name).eval()
    maps = backbone(torch.randn(2, 3, 64, 96))
    expected = [
        (2, channels, 64 // stride, 96 // stride) for channels, stride in zip(backbone.out_channels, STRIDES, strict=True)
    ]
    assert [tuple(level.shape) for level in maps] == expected


def test_channels_last_models_are_turned():
    backbone = TimmBackbone("swinv2_cr_tiny_ns_224").eval()
    maps = backbone(torch.randn(1, 3, 224, 224))
    assert [level.shape[1] for level in maps] == list(backbone.out_channels)


def test_unknown_and_unfit_models_are_named():
    with pytest.raises(ValueError, match="timm has no model 'resnet1'"):
        TimmBackbone("resnet1")
    with pytest.raises(ValueError, match="strides"):
        TimmBackbone("vit_tiny_patch16_224")
    config = STATIC_RECIPE.__class__(model=STATIC_RECIPE.model.__class__(backbone="nonsense"))
    with pytest.raises(HodorError, match=r"MODEL\.BACKBONE must be one of swin_compact.*'nonsense'"):
        build_model(config)


def test_timms_swin_weights_fit_ours_and_give_its_features():
    ours = SwinTransformer(*SWIN_SIZES["swin_tiny"]).eval()
    theirs = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, img_size=(224, 224)).eval()
    state = rename_timm(theirs.state_dict())
    missing, left_over = ours.load_state_dict(state, strict=False)
    assert {name.split(".")[0] for name in missing} == {"norms"} and not left_over
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        x = theirs.patch_embed(image)
        stages = []
        for layer in theirs.layers:
            x = layer(x)
            stages.append(x)
        for norm in ours.norms:  # with neutral norms both show the same up to a normalisation
            norm.weight.fill_(1), norm.bias.fill_(0)
        maps = ours(image)
    for stage in (0, 1, 2):  # at the last, 7x7, timm doesn't shift
        normalised = torch.nn.functional.layer_norm(stages[stage], stages[stage].shape[-1:])
        torch.testing.assert_close(maps[stage].permute(0, 2, 3, 1), normalised, rtol=1e-4, atol=1e-4)
