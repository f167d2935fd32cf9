"""JSON in, JSON out: the request bodies, the answers, and the views that make answers from states."""
