"""RabbitMQ: the topology, the messages, and publishing with confirms."""
