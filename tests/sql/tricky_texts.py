"""Texts in which strings, names and comments end where one would not think."""

from __future__ import annotations

from hypothesis import strategies as st

# Whatever may open or close something in SQL, so that random texts are full of traps.
_TRAPS = (
    "' \" $$ $a$ $1 $ ? -- /* */ \\ E' U&' x' N' R' ` {# #} {% a B é \U0001f600 1 .5 0x1f ; , ( ) :: -> @ \x00 "
    "SELECT from \ufeff 1e '' \"\""
)


TRICKY = st.lists(st.sampled_from([*_TRAPS.split(" "), " ", "\n", "\r", "\u00a0"]), max_size=30).map("".join)
