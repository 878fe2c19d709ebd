"""Small programs as people write them, which know nothing of bpexporter."""
