"""Runs and dead letters: routes and the commands behind them."""
