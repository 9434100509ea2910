"""Adversarial training of SRResNet: SRGAN."""

import copy
import sys
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from srlab.adversarial import discriminator_loss, generator_loss
from srlab.losses import CONTENT, grid
from srlab.models.discriminator import Discriminator
from srlab.models.srresnet import SRResNet
from srlab.params import PatchParams, SRGANParams, TrainerParams
from srlab.perceptual import PerceptualLoss
from srlab.tracking import Run
from srlab.training.checkpoints import Checkpoints
from srlab.training.collapse import CollapseWatch
from srlab.training.ema import running_average
from srlab.training.images import ImagePlacement
from srlab.training.on_patches import train_on_patches
from srlab.training.optimizer import build_optimizer, take_step
from srlab.training.ranks import Ranks
from srlab.training.soup import Soup
from srlab.training.validation import ValidationPair, load_validation, validate

_PHASES = 4


def fit(
    params: SRGANParams,
    patches: PatchParams,
    trainer: TrainerParams,
    folder: Path,
    generator: SRResNet,
    perceptual: PerceptualLoss | None,
    run: Run,
    fabric: Fabric,
    checkpoints: Checkpoints,
) -> SRResNet:
    """Train a pre-trained generator against a discriminator.

    Args:
        params: losses, discriminator, training.
        patches: what the patches are, for validation.
        trainer: seed, workers, memory layout.
        folder: packed patches, see `srlab.data.patches`.
        generator: the network to start from.
        perceptual: the perceptual loss; None trains without.
        run: takes losses, scores and pictures.
        fabric: a launched Fabric.
        checkpoints: where the training's state is kept.

    Returns:
        The generator with its last weights, on the CPU, in evaluation mode. Not those with the
        best PSNR: adversarial training gives PSNR away for texture. After several rounds, the mean
        of their last weights.

    Raises:
        SrlabError: no patches.
        TrainingDivergedError: a loss is not finite; it carries the last validated weights.
    """
    trainee = AdversarialTrainee(
        params, trainer, generator, perceptual, load_validation(patches, folder), run, fabric
    )
    weights = train_on_patches(
        trainee,
        "srgan",
        params,
        trainer,
        folder,
        run,
        fabric,
        checkpoints,
        keep="last",
        rounds=params.rounds,
        begin_round=trainee.begin_round,
    )
    trained = trainee.generator.cpu()
    trained.load_state_dict(weights)
    return trained.eval()


class AdversarialTrainee:
    """Generator and discriminator with their optimizers, for `srlab.training.loop.optimize`.

    Attributes:
        generator, discriminator: the networks.
    """

    def __init__(
        self,
        params: SRGANParams,
        trainer: TrainerParams,
        generator: SRResNet,
        perceptual: PerceptualLoss | None,
        validation: list[ValidationPair],
        run: Run,
        fabric: Fabric,
    ) -> None:
        self._params = params
        self._run = run
        self._fabric = fabric
        self._ranks = Ranks(fabric)
        self._validation = validation
        self._images = ImagePlacement(trainer, fabric)
        self.generator = self._images.module(generator)
        settings = params.discriminator
        self.discriminator = self._images.module(
            Discriminator(
                features=settings.features,
                dense=settings.dense,
                batch_norm=settings.batch_norm,
                dropout=settings.dropout,
            )
        )
        self._perceptual = self._images.module(perceptual) if perceptual is not None else None
        self._average = running_average(self.generator, params)
        self._soup = Soup(self.generator, params.start_share)
        if trainer.compile:
            self.generator.compile()
            self.discriminator.compile()
        self._generate, self._generator_optimizer = fabric.setup(
            self.generator, build_optimizer(self.generator, params.optimizer)
        )
        self._discriminate, self._discriminator_optimizer = fabric.setup(
            self.discriminator, build_optimizer(self.discriminator, settings.optimizer)
        )
        self._watch = CollapseWatch(params.collapse, self._ranks.mean)
        self._good: dict[str, Any] | None = None
        self._returns = 0
        self._step = 0
        """Of this round."""
        self._start = self._copied_state() if params.rounds > 1 else None

    def begin_round(self) -> None:
        """Begin anew where training began; what this round has learned goes into the mean."""
        assert self._start is not None
        self._soup.add(self._learned(), self._steps_learned())
        self._take_up(self._start)
        self._good = self._start
        self._watch.reset()
        self._step = 0

    def update(self, batch: tuple[Tensor, Tensor], learning_rate: float) -> dict[str, Tensor]:
        lr, hr = (self._images.from_patches(patches) for patches in batch)
        self.generator.train()
        self.discriminator.train()
        share = learning_rate / self._params.optimizer.learning_rate
        if self._step < self._params.discriminator.head_start:
            with torch.no_grad():
                sr = self._generate(lr)
            logs = self._ranks.means(self._update_discriminator(sr, hr, share))
            logs["discriminator/total"] = logs["discriminator/real"] + logs["discriminator/fake"]
        else:
            sr = self._generate(lr)
            logs = self._update_generator(sr, hr, learning_rate)
            logs = self._ranks.means(logs | self._update_discriminator(sr, hr, share))
            real, fake = logs["discriminator/answer_real"], logs["discriminator/answer_fake"]
            if seen := self._watch.after_step(real, fake, sr.detach(), hr):
                self._collapsed(seen)
            if self._average is not None:
                self._average.update()
        self._step += 1
        return logs

    def validate(self) -> tuple[dict[str, float], Tensor | None]:
        scores, example = self._scores()
        if seen := self._watch.after_validation(scores.get("validation/psnr")):
            if self._collapsed(seen):
                scores, example = self._scores()
        else:
            self._good = self._copied_state()
        return scores, example

    def weights(self) -> dict[str, Tensor]:
        return self._kept().state_dict()

    def state_dict(self) -> dict[str, Any]:
        return {
            "parts": {name: part.state_dict() for name, part in self._parts().items()},
            "watch": self._watch.state_dict(),
            "good": self._good,
            "returns": self._returns,
            "step": self._step,
            "start": self._start,
            "soup": self._soup.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._take_up(state["parts"])
        self._soup.load_state_dict(state["soup"])
        self._watch.load_state_dict(state["watch"])
        self._good, self._returns, self._step = state["good"], state["returns"], state["step"]
        self._start = state["start"]

    def _update_generator(self, sr: Tensor, hr: Tensor, learning_rate: float) -> dict[str, Tensor]:
        """A step of the generator.

        Every term's gradient is taken at the image and not at the weights. So the discriminator's
        weights get none, each term's share of the gradient is known, and there is still only one
        pass back through the generator. DDP averages the gradients over the ranks in that pass; the
        discriminator is asked past its DDP, which has nothing to average here.
        """
        image = sr.detach().requires_grad_()
        terms = self._generator_terms(image, hr)
        gradients = {name: torch.autograd.grad(term, image)[0] for name, term in terms.items()}
        self._generator_optimizer.zero_grad()
        self._fabric.backward(sr, gradient=torch.stack(list(gradients.values())).sum(dim=0))
        take_step(
            self._fabric,
            self._generate,
            self._generator_optimizer,
            learning_rate,
            self._params.optimizer.clip_norm,
        )
        values = {name: term.detach() for name, term in terms.items()}
        norms = {name: gradient.norm() for name, gradient in gradients.items()}
        return {
            **{f"generator/{name}": value for name, value in values.items()},
            "generator/total": torch.stack(list(values.values())).sum(),
            **{f"share/{name}": share for name, share in _shares(values).items()},
            **{f"gradient_share/{name}": share for name, share in _shares(norms).items()},
        }

    def _generator_terms(self, image: Tensor, hr: Tensor) -> dict[str, Tensor]:
        params = self._params
        terms = {"content": CONTENT[params.content.loss](image, hr)}
        if params.grid.weight:
            terms["grid"] = params.grid.weight * grid(image, hr, self.generator.scale)
        image, hr = (_from_phase(images, self._step) for images in (image, hr))
        with self._fabric.autocast():
            if self._perceptual is not None and params.perceptual.lambda1:
                terms["perceptual"] = params.perceptual.lambda1 * self._perceptual(image, hr)
            if params.adversarial.lambda2:
                fake = self.discriminator(image).float()
                with torch.no_grad():
                    relative = params.adversarial.loss == "relativistic"
                    real = self.discriminator(hr).float() if relative else fake
                loss = generator_loss(params.adversarial.loss, real, fake)
                terms["adversarial"] = params.adversarial.lambda2 * loss
        return terms

    def _update_discriminator(self, sr: Tensor, hr: Tensor, share: float) -> dict[str, Tensor]:
        """A step of the discriminator; `share` of its learning rate is left by the schedule."""
        hr, sr = (_from_phase(images, self._step) for images in (hr, sr.detach()))
        real, fake = self._discriminate(hr), self._discriminate(sr)
        terms = discriminator_loss(self._params.adversarial.loss, real, fake)
        total = torch.stack(list(terms.values())).sum()
        self._discriminator_optimizer.zero_grad()
        self._fabric.backward(total)
        optimizer = self._params.discriminator.optimizer
        take_step(
            self._fabric,
            self._discriminate,
            self._discriminator_optimizer,
            share * optimizer.learning_rate,
            optimizer.clip_norm,
        )
        return {
            **{f"discriminator/{name}": term.detach() for name, term in terms.items()},
            "discriminator/answer_real": real.detach().sigmoid().mean(),
            "discriminator/answer_fake": fake.detach().sigmoid().mean(),
        }

    def _scores(self) -> tuple[dict[str, float], Tensor | None]:
        network = self._kept().eval()
        return validate(
            self._validation, lambda seen: network(self._images.place(seen)), self._ranks
        )

    def _collapsed(self, seen: str) -> bool:
        """Say what was seen; True where the last good state has been taken up again."""
        returned = self._good is not None and self._returns < self._params.collapse.returns
        done = "goes on as it is"
        if returned:
            assert self._good is not None
            self._returns += 1
            self._take_up(self._good)
            done = (
                "goes on from the last good validation "
                f"(return {self._returns} of {self._params.collapse.returns})"
            )
        if self._ranks.is_first:
            print(f"srgan  collapse: {seen}; training {done}", file=sys.stderr, flush=True)
        self._run.set_tags({"collapse": f"{seen}; {done}"})
        self._watch.reset()
        return returned

    def _parts(self) -> dict[str, Any]:
        """Everything whose state is kept for a return."""
        parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self._generator_optimizer,
            "discriminator_optimizer": self._discriminator_optimizer,
        }
        return parts | ({"average": self._average} if self._average is not None else {})

    def _copied_state(self) -> dict[str, Any]:
        return copy.deepcopy({name: part.state_dict() for name, part in self._parts().items()})

    def _take_up(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(copy.deepcopy(state[name]))

    def _kept(self) -> SRResNet:
        return self._soup.mean_with(self._learned(), self._steps_learned())

    def _learned(self) -> SRResNet:
        return self._average.network if self._average is not None else self.generator

    def _steps_learned(self) -> int:
        return max(0, self._step - self._params.discriminator.head_start)


def _from_phase(images: Tensor, step: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H - 3, W - 3), cut from another of 16 corners at every step.

    Strides and poolings make the gradient of a backbone and of a discriminator larger at some
    pixels than at others, in a fixed grid. Pixel shuffle's grid lies on the same pixels in every
    patch, so the generator would learn the one from the other: a visible pattern, by which it also
    fools the discriminator. Seen from all corners in turn, the two grids do not coincide.
    """
    top, left = divmod(step % _PHASES**2, _PHASES)
    height, width = (side - _PHASES + 1 for side in images.shape[-2:])
    return images[..., top : top + height, left : left + width]


def _shares(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each value's size as a share of all."""
    total = torch.stack([value.abs() for value in values.values()]).sum().clamp(min=1e-12)
    return {name: value.abs() / total for name, value in values.items()}
