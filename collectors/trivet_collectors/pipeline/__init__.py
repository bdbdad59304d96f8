"""What lies between a receiver and the network: bounded calls, readings, OTLP."""
