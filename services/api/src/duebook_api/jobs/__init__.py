"""Jobs: routes and the commands behind them."""
