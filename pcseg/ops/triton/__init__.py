"""Sparse convolution on the tensor cores of a GPU, in Triton, which is imported at the first use on a GPU only.

``row_order`` needs no Triton.
"""
