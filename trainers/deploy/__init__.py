"""Export what was trained and run it as the pipeline does.

Knows the contract and ONNX.  Does not know losses, data sets.
"""
