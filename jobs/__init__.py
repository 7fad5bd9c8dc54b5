"""Background work: one manager, a durable ledger, and thin executors over what storage can do."""
