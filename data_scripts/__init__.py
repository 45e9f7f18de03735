"""Command lines over helpers.datasets: prepare, check and mirror the real data."""
