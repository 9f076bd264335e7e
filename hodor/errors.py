"""The one exception that every program turns into a single line on stderr."""


class HodorError(Exception):
    """Something a user can cause and mend.

    The text is one line: it names the file, the key or the object, says what is wrong with it, and what to do.
    """
