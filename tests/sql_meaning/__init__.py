"""What statements mean, over a database in this process."""
