"""What leaves the service by itself: deliveries from the outbox, by kind."""
