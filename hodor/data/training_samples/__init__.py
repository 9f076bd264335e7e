"""Training samples: short clips with labels, made of single images or of videos, each fully determined by its request."""

from hodor.data.training_samples.dense_videos import DenseVideoSamples
from hodor.data.training_samples.joined import JoinedSamples
from hodor.data.training_samples.sample import SampleRequest, TrainingSample, TrainingSamples
from hodor.data.training_samples.sparse_videos import SparseVideoSamples
from hodor.data.training_samples.static_images import StaticImageSamples

__all__ = [
    "DenseVideoSamples",
    "JoinedSamples",
    "SampleRequest",
    "SparseVideoSamples",
    "StaticImageSamples",
    "TrainingSample",
    "TrainingSamples",
]
