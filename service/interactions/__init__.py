"""Use cases of stored resources, one module each; routes only parse, call and render."""
