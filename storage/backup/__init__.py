"""Backups, and coming back from loss.

A backup is the database at one moment, every byte of it compared with a checksum; a restore is whole or not there.
Where the row store itself is lost, `rebuild` makes a new one of the cold files and the copies of their manifest.
"""
