"""The one error that users are meant to read."""


class SrlabError(Exception):
    """Bad input: the message says in one line what is wrong, where, and what to do.

    The command line and the stages print it without a traceback and exit with code 2.
    """
