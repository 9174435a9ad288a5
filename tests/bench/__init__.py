"""Benchmarks of what machines call: `make bench`, or ``python -m tests.bench tokens gateway logs start``.

A machine's speed changes by the minute, so nothing here compares with a number of another day: what is compared takes
turns in one run, and the ratio of each round is what counts. CPU time of the server is read from /proc (Linux only).
"""
