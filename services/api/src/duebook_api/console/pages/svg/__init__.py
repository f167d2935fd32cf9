"""Drawings: SVG from data, pure, each with a title and a table twin. The past is filled, the future is outlined."""
