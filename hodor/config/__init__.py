"""The configuration: typed sections, read from YAML in layers, each value checked where it is read."""

from hodor.config.layering import load_config, to_yaml
from hodor.config.schema import Config, InferenceConfig, InputConfig, ModelConfig, TrainingConfig

__all__ = ["Config", "InferenceConfig", "InputConfig", "ModelConfig", "TrainingConfig", "load_config", "to_yaml"]
