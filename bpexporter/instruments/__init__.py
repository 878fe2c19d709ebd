"""What updates the ledgers: one module for each kind of resource. Floor 2."""
