"""The guard: refuses texts that the engine can not bear, or would misread.

Each refusal names what is refused and what to write instead.
"""
