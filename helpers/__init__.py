"""The library shared by the notebooks of *Anomaly detection with autoencoders*."""

import os

# OpenMP threads that spin while they wait make torch several times slower as soon as another
# process is busy. Read when torch is first imported, hence here.
os.environ.setdefault("GOMP_SPINCOUNT", "0")
