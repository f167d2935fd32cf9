"""An hour at a steady rate with retention: whether anything grows that should not."""
