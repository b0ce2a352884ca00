"""Results on disk: whole files, one lock, manifests that prove what they list."""
