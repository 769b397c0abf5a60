"""Run networks on ONNX Runtime and TensorRT.

Knows the vendors' runtimes, one file each.  Does not know stores, manifests, files beyond one model.
"""
