"""What tests share: real servers, clients, and builders that make a table or a job in one line."""
