"""The network in files that other programs run: ONNX."""
