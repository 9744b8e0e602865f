"""What docs/performance.md states, measured: `make bench`. Ratios are taken within one run."""
