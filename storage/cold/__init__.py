"""Cold files: Parquet files, and the places where they lie.

A file appears under its name whole or not at all, and is never changed. Local disks, other folders and buckets stand
behind one interface; each file is compared with its checksum before it is read.
"""
