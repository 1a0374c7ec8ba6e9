"""The real parts that the tests put together: broker, service, client, connector."""
