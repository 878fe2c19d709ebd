"""What watching costs, measured: ``python -m tests.benchmarks``, alone on the machine.

``works`` are compared with the bare object, operation by operation; ``figures`` stand for themselves. Each
row is measured in a process of its own.
"""
