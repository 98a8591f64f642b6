"""Whether a neighbour's answer serves: thresholds by embedder, then vetoes by text."""
