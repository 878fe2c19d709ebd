"""Small programs as people write them; each has one line that watches its queue."""
