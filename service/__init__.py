"""HipSpine: is this patient's hip pain the spine, the hip, or both? See README.md."""

__version__ = "0.1.0"
