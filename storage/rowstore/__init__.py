"""The row store: RocksDB, and what its bytes mean.

`row_store` is the only importer of rocksdict, `keys` knows every key; each record is written and read in one file. What
is read back is what was written, or it is a Corruption.
"""
