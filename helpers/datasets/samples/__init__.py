"""Offline samples, one module each: make(seed, size) -> {split: ImageSet}."""
