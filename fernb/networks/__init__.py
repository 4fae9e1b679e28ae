"""Networks: architectures, files, the recogniser, backbones, saliency, the baseline."""
