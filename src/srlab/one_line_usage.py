"""Commands whose usage errors are one line, as every other error of srlab."""

from typing import Any

import typer
from typer.core import TyperCommand

from srlab.errors import SrlabError

# The usage errors of whichever click typer brings.
_USAGE_ERROR: Any = typer.BadParameter.__mro__[1]


class OneLineUsage(TyperCommand):
    """A command of the command line: `@app.command(cls=OneLineUsage)`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments.

        Raises:
            SrlabError: they are wrong.
        """
        try:
            return super().parse_args(ctx, args)
        except _USAGE_ERROR as error:
            message = " ".join(error.format_message().split()).rstrip(".")
            raise SrlabError(f"{message}; see {ctx.command_path} --help") from None
