"""Layers that prepare data: images, numbers, categories, text, sound. One family to a module."""
