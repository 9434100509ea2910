"""The hyperparameters: typed, strict and frozen models of params.yaml.

Every section belongs to a stage; a function receives its own section, never the whole tree.
Unknown keys, wrong types and impossible combinations are refused in one line that says where,
what was found, what is allowed, and the nearest valid name. Nothing heavy is imported here, so
that a mistake costs a stage less than a second.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from srlab.backbone_layers import BackboneOrNone, layer_names
from srlab.complaints import complaints, nearest
from srlab.data.kernels import Degradation
from srlab.errors import SrlabError
from srlab.strict_yaml import StrictModel, read_yaml

DatasetName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Scale = Literal[2, 3, 4]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _check_devices(value: Any) -> Any:
    """One complaint, where the union would make one for each of its members."""
    if value != "auto" and (type(value) is not int or value < 1):
        raise ValueError(f"must be auto or a number of at least 1, found {value!r}")
    return value


Devices = Annotated[Annotated[int, Field(ge=1)] | Literal["auto"], BeforeValidator(_check_devices)]
ProtocolName = Literal[
    "y",
    "y_rgb8",
    "paper",
    "paper_antialiased",
    "y_bilinear",
    "y_box",
    "y_lanczos",
    "y_nearest",
    "y_bicubic_aliased",
    "y_rgb8_jpeg90",
    "y_rgb8_jpeg75",
    "y_rgb8_jpeg40",
]


class Section(StrictModel):
    """A part of params.yaml."""


class TrainerParams(Section):
    """Where and how every network is trained."""

    seed: int = Field(ge=0)
    """Seed of the initial weights and of everything that is drawn at random."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"]
    """auto: a GPU where there is one."""

    precision: Literal["auto", "float32", "bf16"]
    """auto: bf16 where the processor or GPU computes in it, else float32."""

    workers: int = Field(ge=0)
    """Processes that prepare batches ahead of the training; 0 prepares them in its own process.
    Small patches take less time to cut out (0.2 ms a step) than to hand over (1.5 ms), so workers
    pay only for large batches."""

    devices: Devices
    """Processes that share the training on each machine, by DDP: a GPU each, or on the CPU a share
    of its cores. auto: all GPUs of the machine, one process on the CPU; under torchrun, as many as
    it has started."""

    nodes: int = Field(ge=1)
    """Machines that share the training; more than one are started by torchrun, on each of them."""

    strategy: Literal["auto", "ddp"]
    """auto: DDP where there is more than one process. ddp: for a single one, too."""

    channels_last: bool
    """Memory layout of images; faster than the default on CPUs with bf16 and on recent GPUs."""

    compile: bool
    """Compile the network with torch.compile."""

    cuda_graphs: bool
    """Record MemNet's and SRResNet's passes on a GPU and start each of them at once instead of
    operation by operation. Without effect elsewhere, and where several processes train."""


class DataParams(Section):
    """Which datasets of data/datasets.yaml are used for what."""

    train: list[DatasetName] = Field(min_length=1)
    """Datasets that the training patches and the held-out validation images come from."""

    test: list[DatasetName] = Field(min_length=1)
    """Datasets that every method is scored on."""

    @model_validator(mode="after")
    def _no_leak(self) -> "DataParams":
        for name, values in (("train", self.train), ("test", self.test)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names a dataset twice: {values}")
        if both := sorted(set(self.train) & set(self.test)):
            raise ValueError(f"{', '.join(both)} cannot be in train and in test: scores would lie")
        return self


class PatchParams(Section):
    """How the patches for one network are cut."""

    channels: Literal["luma", "rgb"]
    """luma: the 8-bit Y (BT.601, 16 to 235); grey images as they are. rgb: grey is repeated."""

    # Not `size`: DVC leaves keys of that name out of the hash by which it finds earlier results.
    patch_size: int = Field(ge=8)
    """Side of a patch in high-resolution pixels."""

    stride: int = Field(ge=1)
    """Distance between the patches of the grid in high-resolution pixels."""

    augment_scales: list[Annotated[float, Field(gt=0, lt=1)]]
    """Shrink each training image by these factors, too, and cut patches from the copies as well:
    small sets have few images of each scene (Dong et al. 2016, FSRCNN: .9, .8, .7, .6)."""

    scales: list[Scale] = Field(min_length=1)
    """Factors that patches are degraded by; one is drawn at random for each patch and step."""

    degradations: list[Degradation] = Field(min_length=1)
    """What makes the low-resolution image, drawn at random like the factor: a kernel, or
    bicubic_jpeg, which is bicubic and then saved as JPEG. Validation sees the first."""

    jpeg_quality: list[Annotated[int, Field(ge=1, le=100)]] = Field(min_length=2, max_length=2)
    """Lowest and highest quality that bicubic_jpeg saves with; drawn at random for each image."""

    degrade: Literal["whole_image", "patch"]
    """Degrade the image and cut in step, or degrade each patch alone (Lal & Javid)."""

    enlarged: bool
    """Pack the low-resolution patch enlarged to the patch's own size, as MemNet wants it."""

    validation_images: int = Field(ge=0)
    """Images of each training dataset whose middles are held out to validate on."""

    validation_crop: int = Field(ge=48)
    """Side of the middle, at most; patches that reach into it are left out."""

    @model_validator(mode="after")
    def _fits(self) -> "PatchParams":
        for name in ("augment_scales", "scales", "degradations"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names a value twice: {values}")
        lowest, highest = self.jpeg_quality
        if lowest > highest:
            raise ValueError(f"jpeg_quality {self.jpeg_quality}: put the lower one first")
        if "bicubic_jpeg" in self.degradations and self.degrade == "patch":
            raise ValueError(
                "degradations: bicubic_jpeg saves whole images, so set degrade: whole_image"
            )
        if self.enlarged:
            return self
        for scale in self.scales:
            for name in ("patch_size", "stride"):
                if getattr(self, name) % scale:
                    raise ValueError(
                        f"{name} {getattr(self, name)} is not a multiple of scale {scale}, as it "
                        "must be where low-resolution patches are cut in step (enlarged: false)"
                    )
        return self


class PatchesParams(Section):
    """Patches, one set for each network."""

    memnet: PatchParams
    """Patches that MemNet is trained on."""

    srgan: PatchParams
    """Patches that SRResNet and SRGAN are trained on."""


class OptimizerParams(Section):
    """The optimizer."""

    name: Literal["sgd", "adam", "adamw"]
    """sgd with momentum, adam (Kingma & Ba 2015), or adamw (Loshchilov & Hutter 2019)."""

    learning_rate: Positive
    """The step size that the schedule starts from."""

    momentum: Share
    """Momentum of sgd; the first beta of adam and adamw."""

    beta2: Share
    """The second beta of adam and adamw. The usual 0.999 averages over a thousand steps, which are
    many in a short training; sgd has none."""

    weight_decay: float = Field(ge=0, allow_inf_nan=False)
    """Weight decay; of weights with two or more dimensions only, in adamw."""

    clip_norm: Positive | None
    """Upper bound of the gradient's norm; null does not clip."""


class ScheduleParams(Section):
    """How the learning rate falls."""

    name: Literal["step", "cosine", "linear", "constant"]
    """step: divided every so many epochs (Lal & Javid). cosine, linear: down to zero at the end.
    constant: not at all; the running average of the weights settles what they still do."""

    warmup: Share
    """Share of the budget in which the learning rate rises from zero."""

    step_epochs: int = Field(ge=1)
    """Epochs after which `step` divides the learning rate."""

    step_factor: float = Field(gt=1, allow_inf_nan=False)
    """What `step` divides the learning rate by."""


class BudgetParams(Section):
    """How long to train; exactly one of the three."""

    epochs: int | None = Field(ge=1)
    """Passes over all patches."""

    steps: int | None = Field(ge=0)
    """Optimizer steps. 0 trains nothing: what is kept are the weights that it would start from."""

    minutes: Positive | None
    """Wall time. For studies only: it depends on the machine, so such a run cannot be repeated."""

    @model_validator(mode="after")
    def _one(self) -> "BudgetParams":
        given = {k: v for k, v in self.model_dump().items() if v is not None}
        if len(given) != 1:
            raise ValueError(f"exactly one of epochs, steps, minutes must be set, not {given}")
        return self


class FitParams(Section):
    """What the training of every network is set by."""

    batch: int = Field(ge=1)
    """Patches in a step, over all devices."""

    augment: bool
    """Draw one of the eight flips and rotations for each patch."""

    optimizer: OptimizerParams
    """The optimizer."""

    schedule: ScheduleParams
    """The learning rate's course."""

    budget: BudgetParams
    """How long to train."""

    ema_decay: Share
    """Decay per step of the running average of the weights, which is what is kept; 0 keeps none."""

    ema_ramp: int = Field(ge=1)
    """Decays before that are smaller, n / (n + ema_ramp) after n steps: the average spans about an
    ema_ramp-th of the steps so far, and a short training keeps nothing of the untrained network."""

    validations: int = Field(ge=1)
    """How often to validate within the budget, evenly spread; the best weights are kept."""

    @model_validator(mode="after")
    def _possible(self) -> "FitParams":
        if self.schedule.name == "step" and self.budget.epochs is None:
            raise ValueError("schedule.name step counts epochs, so budget.epochs must be set")
        return self


class TeacherParams(Section):
    """A network that another one learns from, besides the truth."""

    model: ModelName
    """A released model (`srlab models`) of the same architecture, larger, smaller or the same. It
    teaches what its self-ensemble gives, the mean over all ways to turn and mirror an image."""

    weight: Positive
    """Weight of the mean squared distance to it."""


class SupervisedParams(FitParams):
    """What the training of MemNet and SRResNet is set by."""

    start: ModelName | None
    """A released model (`srlab models`) whose weights the training goes on from, on other images or
    for longer; it must be the network that params.yaml describes, but that MemNet may have more
    `residual_units` and a larger `gate_kernel`, and SRResNet more `residual_blocks`: it is grown.
    null: random weights."""

    teacher: TeacherParams | None
    """A network to learn from as well (Hinton et al. 2015); null: from the truth alone."""

    @model_validator(mode="after")
    def _has_weights(self) -> "SupervisedParams":
        if self.budget.steps == 0 and self.start is None:
            raise ValueError("budget.steps 0 keeps the weights of start, so start must be set")
        return self


class MemNetParams(SupervisedParams):
    """MemNet: the network and its training."""

    memory_blocks: int = Field(ge=1)
    """m of MmRr."""

    residual_units: int = Field(ge=1)
    """r of MmRr."""

    features: int = Field(ge=1)
    """Feature maps of every layer; 64 in the paper."""

    gate_kernel: Literal[1, 3]
    """Size of the gates' convolutions: 1 as the paper says, 3 as its parameter count says."""

    share_weights: bool
    """Residual units of a memory block share their convolutions (Tai et al. 2017)."""

    supervision: Literal["single", "multi"]
    """multi: every memory is reconstructed, supervised and averaged with learnt weights."""

    loss: Literal["half_sum_squared", "mse", "l1", "log_error"]
    """half_sum_squared is the paper's: 1 / (2 * batch) times the summed squared error. log_error is
    the logarithm of each patch's mean squared error, so that every factor counts the same."""


class SRResNetParams(SupervisedParams):
    """SRResNet: the generator, and its training by a content loss."""

    scale: Scale
    """The factor that the network enlarges by."""

    residual_blocks: int = Field(ge=1)
    """16 in the papers."""

    features: int = Field(ge=1)
    """Feature maps of every layer; 64 in the papers."""

    batch_norm: bool
    """Batch normalisation, as in the papers; newer networks train better without."""

    bicubic_skip: bool
    """Add to the bicubically enlarged image, and start with nothing to add."""

    outer_kernel: Literal[3, 9]
    """Size of the first and the last convolution; 9 in the papers."""

    upsampler: Literal["stages", "direct"]
    """stages: a convolution and a pixel shuffle for each factor of the scale, as in the papers.
    direct: eight maps of the enlarged size at once, and the image from them; much faster."""

    loss: Literal["mse", "l1", "log_error"]
    """Mean squared error as in the papers, mean absolute error, or the logarithm of each patch's
    mean squared error, which but for a factor is PSNR."""

    luma: float = Field(ge=0, le=1)
    """Share of the loss that is of luma alone, in which PSNR is measured; the rest is of RGB, as
    all of it is in the papers."""


class ContentParams(Section):
    """The content loss; its weight is 1."""

    loss: Literal["mse", "l1"]
    """Mean squared error as in the papers, or mean absolute error."""


class GridParams(Section):
    """The loss against checkerboards."""

    weight: float = Field(ge=0, allow_inf_nan=False)
    """Weight of the term; 0 leaves it out, as the papers do."""


class PerceptualParams(Section):
    """The perceptual loss: distance between features."""

    backbone: BackboneOrNone
    """The network that the features are from; none leaves the term out."""

    layer: str
    """conv3_3: behind the third convolution of VGG's third block. relu3_3: behind its ReLU. AlexNet
    has conv1 to relu5."""

    distance: Literal["mse", "l1"]
    """Mean squared difference, as in the papers, or mean absolute difference."""

    feature_scale: Positive
    """Multiplies the features; Ledig et al. use 1 / 12.75 = 0.0784."""

    lambda1: float = Field(ge=0, allow_inf_nan=False)
    """Weight of the term; 0.006 in Lal & Javid."""

    @model_validator(mode="after")
    def _layer_exists(self) -> "PerceptualParams":
        if self.backbone == "none":
            return self
        names = layer_names(self.backbone)
        if self.layer not in names:
            raise ValueError(
                f"{self.backbone} has no layer {self.layer!r}; {nearest(self.layer, names)}"
            )
        return self


class AdversarialParams(Section):
    """The adversarial loss."""

    loss: Literal["linear", "bce", "hinge", "relativistic"]
    """linear: 1 - D(sr), as Lal & Javid write it. bce: non-saturating cross entropy (Ledig et al.).
    hinge, relativistic: see srlab.adversarial."""

    lambda2: float = Field(ge=0, allow_inf_nan=False)
    """Weight of the term; 0.001 in Ledig et al."""


class DiscriminatorParams(Section):
    """The discriminator."""

    features: int = Field(ge=1)
    """Feature maps of the first layer; 64 in Ledig et al."""

    dense: int = Field(ge=1)
    """Width of the hidden dense layer; 1024 in Ledig et al."""

    batch_norm: bool
    """Batch normalisation, as in Ledig et al."""

    dropout: Share
    """Share of the values in front of the dense layers that are dropped; Lal & Javid add it."""

    head_start: int = Field(ge=0)
    """The first steps of every round, in which it learns alone. One that cannot tell photographs
    from the images of a trained generator yet has nothing to teach it. Less than a round's."""

    optimizer: OptimizerParams
    """Its optimizer; its learning rate follows the generator's schedule."""


class CollapseParams(Section):
    """When adversarial training counts as collapsed, and what is done."""

    certainty: float = Field(gt=0.5, lt=1)
    """The discriminator is certain where it gives photographs more than this and images less
    than 1 minus this."""

    certain_steps: int = Field(ge=1)
    """Steps in a row that the discriminator has to be certain for."""

    psnr_drop: Positive
    """Validation PSNR this much below the pre-trained generator's, in dB."""

    returns: int = Field(ge=0)
    """How often to return to the last good state; 0 only says what was seen."""


class SRGANParams(FitParams):
    """SRGAN: adversarial training of SRResNet."""

    start: ModelName | None
    """A released model (`srlab models`) whose weights the training goes on from; it must be the
    network that section srresnet describes. null: the SRResNet that the stage before trained."""

    rounds: int = Field(ge=1)
    """Trainings, one after the other, that share the budget equally. Each begins anew from the
    start, against an untrained discriminator, and goes on through the patches; the weights kept are
    the mean of theirs (a model soup: Wortsman et al., 2022)."""

    start_share: Share
    """How much of the start's weights is in those that are kept; 0 in the papers."""

    content: ContentParams
    """The content loss."""

    grid: GridParams
    """The loss against checkerboards."""

    perceptual: PerceptualParams
    """The perceptual loss."""

    adversarial: AdversarialParams
    """The adversarial loss."""

    discriminator: DiscriminatorParams
    """The discriminator."""

    collapse: CollapseParams
    """When to return to an earlier state."""

    @model_validator(mode="after")
    def _trains_the_generator(self) -> "SRGANParams":
        head_start, steps, rounds = self.discriminator.head_start, self.budget.steps, self.rounds
        if steps and head_start >= steps // rounds:
            share = f" / rounds {rounds}" if rounds > 1 else ""
            raise ValueError(
                f"discriminator.head_start {head_start} must be less than budget.steps {steps}"
                f"{share}: the generator would not be trained"
            )
        return self


class EvaluateParams(Section):
    """What every method is scored on."""

    scales: list[Scale] = Field(min_length=1)
    """Enlargement factors."""

    protocols: list[ProtocolName] = Field(min_length=1)
    """How numbers are made, see the README. y_KERNEL is y with the low-resolution image made by
    another kernel; as y, it is for methods that take luma."""

    strength: float = Field(ge=0, le=1)
    """SRGAN's weights are mixed with SRResNet's: 0 is SRResNet, 1 SRGAN."""


class ReportParams(Section):
    """The comparison pictures."""

    scale: Scale
    """Factor of the pictures."""

    crop: int = Field(ge=16)
    """Side of the zoomed crop in high-resolution pixels."""


class Params(Section):
    """All of params.yaml."""

    trainer: TrainerParams
    """Device, precision and seed of every training."""
    data: DataParams
    """Datasets to train and to test on."""
    patches: PatchesParams
    """Training patches."""
    memnet: MemNetParams
    """MemNet and its training."""
    srresnet: SRResNetParams
    """SRResNet and its training."""
    srgan: SRGANParams
    """SRGAN's training from SRResNet's weights."""
    evaluate: EvaluateParams
    """Scoring."""
    report: ReportParams
    """Pictures."""

    @model_validator(mode="after")
    def _shareable(self) -> "Params":
        if self.trainer.devices == "auto":
            return self
        count = self.trainer.devices * self.trainer.nodes
        for name in ("memnet", "srresnet", "srgan"):
            if (batch := getattr(self, name).batch) % count:
                raise ValueError(
                    f"{name}.batch {batch} is not a multiple of {count}, the processes that "
                    "trainer.devices and trainer.nodes ask for: each gets as many patches"
                )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        patches = self.patches.memnet
        if patches.channels != "luma" or not patches.enlarged:
            raise ValueError(
                "patches.memnet must be channels: luma, enlarged: true (MemNet's input)"
            )
        patches = self.patches.srgan
        if patches.channels != "rgb" or patches.enlarged:
            raise ValueError("patches.srgan must be channels: rgb, enlarged: false (SRGAN's input)")
        if patches.scales != [self.srresnet.scale]:
            raise ValueError(
                f"patches.srgan.scales must be [{self.srresnet.scale}], srresnet.scale, not "
                f"{patches.scales}: SRResNet has one scale"
            )
        if "y_rgb8" not in self.evaluate.protocols:
            raise ValueError("evaluate.protocols must name y_rgb8: the pictures are made under it")
        if self.report.scale not in self.evaluate.scales:
            raise ValueError(
                f"report.scale {self.report.scale} is not one of evaluate.scales "
                f"{self.evaluate.scales}: there would be nothing to show"
            )
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params file.

    Raises:
        SrlabError: the file is missing, is no YAML, does not say what `Params` asks for, or names
            a dataset that the catalog beside it does not have; one line for each mistake.
    """
    params = parse_params(read_yaml(path), source=str(path))
    catalog = path.parent / "data" / "datasets.yaml"
    if catalog.is_file():
        known = list(read_yaml(catalog))
        for role in ("train", "test"):
            for name in getattr(params.data, role):
                if name not in known:
                    raise SrlabError(
                        f"{path}: data.{role}: {name!r} is not in {catalog}; "
                        + nearest(name, known)
                    )
    return params


def parse_params(tree: Any, *, source: str) -> Params:
    """Check a tree of plain values; `source` stands at the head of each complaint."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise SrlabError("\n".join(complaints(error, source, Params))) from None
