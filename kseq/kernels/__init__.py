"""What makes models fast: kernels of loops and products, and how the machine is used.

Loops with their own backward passes, dense layers, dropout, the masked softmax, cross-entropy,
Adam, initial weights, precision, process memory, and the cores of the processor.
"""
