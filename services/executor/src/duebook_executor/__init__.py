"""Duebook's executor: consumes runs from RabbitMQ and executes their tasks."""
