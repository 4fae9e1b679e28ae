"""Faces with labels: files, FER+, drawn faces, the one way in."""
