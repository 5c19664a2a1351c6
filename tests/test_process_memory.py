"""Freed memory is kept by the process, and released at the end; tested in a new process."""

import platform
import re
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from kseq.kernels.process_memory import keep_freed_memory

def faults():
    '''Pages mapped while 40 MB are allocated ten times.'''
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(5_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    '''Resident memory in megabytes.'''
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6

np.ones(5_000_000)
figures = [faults(), resident()]
try:
    with keep_freed_memory():
        np.ones(5_000_000)
        figures += [faults(), resident()]
        raise KeyboardInterrupt
except KeyboardInterrupt:
    figures.append(resident())
print("figures", *figures, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept_until_the_context_ends_even_by_an_interrupt():
    """Ten arrays take 98,000 page faults, or 200 if the pages of large arrays have 2 MiB."""
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    ).stdout
    numbers = re.search(r"figures (.*)", output)[1].split()
    faults_before, before, faults_inside, inside, after, faults_after = map(float, numbers)
    assert faults_inside < 20 < faults_before
    assert inside > before + 30
    assert after < before + 10
    assert faults_after > 20
