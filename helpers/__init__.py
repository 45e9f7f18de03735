"""The library shared by the notebooks of *Anomaly detection with autoencoders*."""

import gc
import os

from helpers.console import take_any_text

# How long an OpenMP thread spins before it sleeps. By default so long that torch becomes several
# times slower as soon as another process is busy. Read when torch is first imported, hence here.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# How many objects are made before Python looks for garbage among them. By default so few that it
# looks a thousand times while torch is imported, where all objects stay: a tenth of the time.
gc.set_threshold(50_000, 5, 5)
# Apple's GPU lacks some operators (kthvalue, eigh); torch then computes these on the CPU.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
take_any_text()
