"""HTTP itself: requests read, answers written, problems, pages and positions."""
