"""The sandbox: statements whose memory or time nothing bounds beforehand run in a process of their own.

A failed allocation in the engine ends the process, and neither a constant that is being folded nor a function inside a
batch can be stopped. So a plan is looked at: what may make much of little is not run here but in a child process, with
the rows that it reads, a limit on memory, and a signal that ends it at once.
Promises: the same answer as without; whatever such a statement does, no other one notices.
"""
