"""What every process needs: its settings, its loops, its logs and metrics, and its HTTP server."""
