"""The processes that share a training, and what they have to agree on.

Each of them, a rank, runs the same loop on its own share of every batch. Where something that only
one of them has decides what comes next (a clock, a signal, a score), they must be told the same,
or they would wait for one another for ever. Every method but the properties is therefore to be
called by all ranks or by none. A training in one process pays nothing for them.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor

from srlab.errors import SrlabError

T = TypeVar("T")


class Ranks:
    """The ranks of a launched Fabric.

    Attributes:
        rank: this process; 0 is the one that writes and speaks.
        count: of the processes.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.rank = fabric.global_rank
        self.count = fabric.world_size

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def told(self, value: T) -> T:
        """Rank 0's value, whatever the others give."""
        return self._fabric.broadcast(value) if self.count > 1 else value

    def largest(self, *values: int) -> tuple[int, ...]:
        """The largest over the ranks, of each value."""
        if self.count == 1:
            return values
        # In the processor's memory: on a GPU, reading it would wait for all the work before.
        together = torch.tensor(values, dtype=torch.int64)
        torch.distributed.all_reduce(together, op=torch.distributed.ReduceOp.MAX)
        return tuple(together.tolist())

    def gathered(self, value: T) -> list[T]:
        """The values of all ranks."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(values, value)
        return values

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the ranks, element by element."""
        if self.count == 1:
            return value
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total / self.count

    def means(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean over the ranks of each scalar."""
        if self.count == 1:
            return values
        together = self.mean(torch.stack(list(values.values())))
        return dict(zip(values, together.unbind(), strict=True))

    @contextlib.contextmanager
    def noticing_a_loss(self) -> Iterator[None]:
        """Say in one line that another process was lost, during a `with` block.

        Raises:
            SrlabError: it was, or gave no answer for too long.
        """
        try:
            yield
        except RuntimeError as error:
            # gloo has no exception of its own; its messages name its source.
            if not isinstance(error, torch.distributed.DistError) and "/gloo/" not in str(error):
                raise
            raise SrlabError(
                f"process {self.rank} has lost another one of this training, which has "
                "ended (its own message, if any, is near), or gave no answer for too long"
            ) from None

    def require_same(self, fingerprint: str) -> None:
        """Refuse to train where machines have different code, data or params.

        Raises:
            SrlabError: the ranks' fingerprints differ; on every rank.
        """
        given = self.gathered(fingerprint)
        others = [rank for rank, other in enumerate(given) if other != given[0]]
        if others:
            raise SrlabError(
                f"the processes {others} have other params, data or code than process 0; bring "
                "all machines to the same commit, params.yaml and data/patches"
            )
