"""Whether freed memory stays, and goes when it is over: in a process of its own."""

import platform
import re
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from kseq.kernels.memory import freed_memory_kept

def faults():
    '''Pages that had to be mapped anew for ten times the same 40 MB.'''
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        np.ones(5_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    '''Megabytes.'''
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6

np.ones(5_000_000)
found = [faults(), resident()]
try:
    with freed_memory_kept():
        np.ones(5_000_000)
        found += [faults(), resident()]
        raise KeyboardInterrupt
except KeyboardInterrupt:
    found.append(resident())
print("found", *found, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone is anything asked")
def test_freed_memory_stays_until_it_is_over_however_it_ends():
    """A page of a huge array may have 2 MiB: then 200 faults, else 98,000, in ten arrays."""
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    ).stdout
    numbers = re.search(r"found (.*)", printed)[1].split()
    usually, least, meanwhile, most, over, after = map(float, numbers)
    assert meanwhile < 20 < usually
    assert most > least + 30
    assert over < least + 10
    assert after > 20
