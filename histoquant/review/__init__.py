"""What a reader says of the count: a queue of fields, a log that is only added to, what follows."""
