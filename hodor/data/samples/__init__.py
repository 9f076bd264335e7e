"""Training samples: short clips with labels, made of single images or of videos, each fully determined by its request."""

from hodor.data.samples.dense_videos import DenseVideoSamples
from hodor.data.samples.joined import JoinedSamples
from hodor.data.samples.sample import SampleRequest, TrainingSample, TrainingSamples
from hodor.data.samples.sparse_videos import SparseVideoSamples
from hodor.data.samples.static_images import StaticImageSamples

__all__ = [
    "DenseVideoSamples",
    "JoinedSamples",
    "SampleRequest",
    "SparseVideoSamples",
    "StaticImageSamples",
    "TrainingSample",
    "TrainingSamples",
]
