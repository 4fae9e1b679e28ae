"""Adversarial examples, hacked photographs, defences."""
