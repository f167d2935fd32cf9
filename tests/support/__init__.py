"""What the tests share: real servers, services as processes, oracles, and stories to play."""
