"""Statements with secrets in them, mistyped in every way."""

from __future__ import annotations

from random import Random

SECRET = "hunter2Qz"


# `@` is where the secret stands.
TEXTS = (
    "CREATE USER 'ann' WITH PASSWORD @ ROLE dba",
    "CREATE USER IF NOT EXISTS 'ann' PASSWORD @ EMAIL 'a%b.c'",
    "ALTER USER 'ann' PASSWORD @",
    "ALTER USER ann SET PASSWORD = @",
    "ALTER USER 'ann' WITH ROLE 'dba' PASSWORD @ STORAGE s",
    "CREATE ROLE 'ann' LOGIN PASSWORD @",
    "ALTER USER 'ann' IDENTIFIED BY @",
    "SET PASSWORD FOR 'ann' = @",
    "CREATE STORAGE 'arc' TYPE 's3' URI 's3://b/p' CREDENTIALS @",
    "CREATE STORAGE arc WITH TYPE 's3' URI 's3://b/p' REGION 'eu' CREDENTIALS = @ SHARDING 'none'",
    "ALTER STORAGE arc SET CREDENTIALS @ , DESCRIPTION 'x'",
    "CREATE STORAGE arc TYPE 's3' SECRET_KEY @ URI 's3://b'",
    "EXECUTE AS USER 'bob' ( ALTER USER 'ann' PASSWORD @ )",
    "EXPLAIN ALTER USER 'ann' PASSWORD @",
    "SELECT 1 ; ALTER USER 'ann' PASSWORD @ ; SELECT 'x'",
)  # fmt: skip


QUOTES = (
    f"'{SECRET}'",
    f"E'{SECRET}'",
    f"$${SECRET}$$",
    f"$q${SECRET}$q$",
    f'"{SECRET}"',
    f"U&'{SECRET}'",
    f"'{SECRET}",
    f"`{SECRET}`",
    f"N'{SECRET}'",
    f"'it''s {SECRET}'",
    f'\'{{"secret_key": "{SECRET}"}}\'',
    f"'x' '{SECRET}'",
    f"'x'--{SECRET}\n",
    f"/* {SECRET} */ 'x'",
)


def mistyped(random: Random, text: str) -> str:
    """One to three slips of the finger: a letter or a word left out, doubled or swapped with its neighbour."""
    words = text.split(" ")
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        at = random.randrange(len(words))
        word = words[at]
        if random.random() < 0.6 and word.isalpha():
            words[at] = _letters(random, word)
        elif random.random() < 0.4 and word != "@":
            words[at : at + 1] = random.choice(([], [word, word]))
        elif at + 1 < len(words):
            words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def _letters(random: Random, word: str) -> str:
    at = random.randrange(len(word))
    match random.randrange(4):
        case 0:
            return word[:at] + word[at + 1 :]
        case 1:
            return word[:at] + word[at] + word[at:]
        case 2:
            return word[:at] + random.choice("AEKRSX") + word[at + 1 :]
        case _:
            return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]


def is_the_name(text: str) -> bool:
    """Words swapped so that the secret stands where the name does: it is one, then."""
    words = text.split(" ")
    at = words.index("@")
    return at > 0 and words[at - 1] not in ("PASSWORD", "CREDENTIALS", "=", "BY")
