"""What the installation consists of: who asks it, its services, executors and tasks."""
