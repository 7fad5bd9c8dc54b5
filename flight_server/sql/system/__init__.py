"""`system.*`: the server about itself, as tables computed when a statement asks for them; a room for each subject."""
