"""The interface is what the Flight service asks of SQL: a request goes in, a result or a shape comes out.

Promises: values and protocols alone; nothing here runs anything.
"""
