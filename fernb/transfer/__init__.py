"""Transfer learning: bottleneck features, fine-tuning, their comparison."""
