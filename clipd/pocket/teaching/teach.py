"""Teach the model in the box: `python -m clipd.pocket.teaching.teach`.

Two lessons at once. Made sentences: the text tower has to find what their words look like,
by the classifier's rows. Painted scenes with captions: what has no rows, such as colours and
weather, is learned by telling captions apart; a part of the projection that photographs leave
quiet is free for it.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch.nn import functional

from clipd.pocket import model
from clipd.pocket.model import Network
from clipd.pocket.teaching.course import PHOTO_DIM, UNSAID, Course
from clipd.pocket.teaching.image_tower import Features, load
from clipd.pocket.teaching.packing import pack
from clipd.pocket.teaching.painted import Lesson, fill_pool, lessons
from clipd.pocket.teaching.prototypes import EVERYDAY
from clipd.pocket.teaching.text_reading import read_texts
from clipd.pocket.teaching.wordnet import fetch
from clipd.pocket.weights import HERE

FIRST_SEED = 1_000_000  # the report draws its scenes from seeds below this
BESIDES = 1.2  # what a text says besides its looks, in lengths of these
NOISE = 0.25  # on the features of painted scenes, in lengths of what tells them from the mean


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to teach; the defaults make the shipped weights."""

    seed: int = 1
    scenes: int = 16_000
    steps: int = 2_600
    sentences: int = 208
    captions: int = 144
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.02
    averaging: float = 0.995


def _pupil(course: Course) -> Network:
    """Build an untrained network with the projection of the rows, and a compact table."""
    network = model.create()
    table = torch.nn.Embedding(len(course.tokens.ids) + 1, network.token_embedding.embedding_dim)
    torch.nn.init.normal_(table.weight, std=0.05)
    table.weight.data[0] = 0
    network.token_embedding = table
    proj = network.visual.head.proj
    with torch.no_grad():
        proj.weight.zero_()
        proj.bias.zero_()
        proj.weight[:PHOTO_DIM] = torch.from_numpy(course.axes)
        proj.bias[:PHOTO_DIM] = torch.from_numpy(-course.axes @ course.tower.mean)
        proj.weight[PHOTO_DIM:-UNSAID].normal_(std=0.01)
    return network


class Projection(torch.nn.Module):
    """The image side: what the rows see stays as it is, what is painted is learned."""

    photo: torch.Tensor
    mean: torch.Tensor

    def __init__(self, network: Network, mean: Features) -> None:
        super().__init__()
        proj = network.visual.head.proj
        self.register_buffer("photo", proj.weight[:PHOTO_DIM].detach().clone())
        self.painted = torch.nn.Parameter(proj.weight[PHOTO_DIM:-UNSAID].detach().clone())
        self.bias = torch.nn.Parameter(torch.zeros(len(self.painted)))
        self.register_buffer("mean", torch.from_numpy(mean))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the two parts of the vectors, not normalised."""
        centred = features - self.mean
        return centred @ self.photo.T, centred @ self.painted.T + self.bias

    def vectors(self, features: torch.Tensor) -> torch.Tensor:
        """Give unit vectors, the unsaid part of which is nothing."""
        unsaid = torch.zeros(len(features), UNSAID)
        return functional.normalize(torch.cat([*self(features), unsaid], dim=1), dim=1)

    def write_to(self, network: Network) -> None:
        """Put what was learned into the network's own projection."""
        proj = network.visual.head.proj
        with torch.no_grad():
            proj.weight[PHOTO_DIM:-UNSAID] = self.painted
            proj.bias[PHOTO_DIM:-UNSAID] = self.bias - self.painted @ self.mean


def _spread(logits: torch.Tensor, fitting: torch.Tensor) -> torch.Tensor:
    """Give the cross entropy of rows whose target is shared among all that fit."""
    target = fitting.float()
    weight = target.sum(1)
    losses = -(target * logits.log_softmax(1)).sum(1) / weight.clamp(min=1)
    return losses[weight > 0].mean()


def _rate(step: int, plan: Plan) -> float:
    """Give the learning rate: a short rise, then half a cosine down."""
    rise = min(1.0, (step + 1) / 100)
    return plan.peak_rate * rise * (0.5 + 0.5 * math.cos(math.pi * step / plan.steps))


def _unlikeness(
    vectors: torch.Tensor, targets: torch.Tensor, painted: torch.Tensor
) -> torch.Tensor:
    """Give how far texts are from what they should say.

    Every text says as much besides its looks: one with words that are painted too says it in
    the painted part, every other one where no picture is. So the scores of photographs compare
    across words, and the painted part may be loud.

    Args:
        vectors: (n, dim), not normalised.
        targets: (n, PHOTO_DIM + UNSAID), unit.
        painted: (n,), which texts hold words that are painted too.
    """
    whole = math.hypot(1, BESIDES)
    looks = targets[:, :PHOTO_DIM]
    trust = looks.norm(dim=1) / whole
    besides = torch.where(painted, BESIDES / whole, 0.0)
    unsaid = (1 - trust.square() - besides.square()).clamp(min=0).sqrt()
    wanted = torch.cat([looks / whole, besides[:, None], unsaid[:, None]], dim=1)
    loudness = (vectors[:, PHOTO_DIM:-UNSAID].square().sum(1, keepdim=True) + 1e-8).sqrt()
    said = torch.cat([vectors[:, :PHOTO_DIM], loudness, vectors[:, -UNSAID:]], dim=1)
    return whole**2 * (1 - (functional.normalize(said, dim=1) * wanted).sum(1)).mean()


class Teacher:
    """One step after another: makes up the texts, takes the loss, moves the weights."""

    def __init__(self, course: Course, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.course, self.plan = course, plan
        self.network = _pupil(course).train()
        self.projection = Projection(self.network, course.tower.mean)
        self.scale = torch.nn.Parameter(torch.tensor(math.log(1 / 0.05)))
        self._rng = Random(plan.seed)
        self._dice = torch.Generator().manual_seed(plan.seed)
        self._lessons: Iterator[Lesson] = lessons(
            course.pool, plan.seed, plan.captions, course.writer.surround
        )
        taught = [p for n, p in self.network.named_parameters() if not n.startswith("visual")]
        taught += [self.projection.painted, self.projection.bias, self.scale]
        groups = [
            {"params": [p for p in taught if p.ndim > 1], "weight_decay": plan.weight_decay},
            {"params": [p for p in taught if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))

    def step(self, rate: float) -> tuple[float, float]:
        """Take one step and give the losses before it, of sentences and of scenes."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        course, lesson = self.course, next(self._lessons)
        made = [
            course.writer.write(self._rng, course.favourites) for _ in range(self.plan.sentences)
        ]
        texts = made + lesson.texts
        with torch.autocast("cpu", torch.bfloat16):
            vectors = read_texts(self.network, course.tokens.read(texts))
        targets = torch.from_numpy(np.stack([course.writer.target(text) for text in texts]))
        painted = torch.tensor([not course.painted_words.isdisjoint(t.split()) for t in texts])
        told = _unlikeness(vectors, targets, painted)
        shown = self._of_scenes(lesson, vectors[len(made) :])
        loss = 4 * told + shown + self._loudness()
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step()
        self.scale.data.clamp_(0, math.log(100))
        return told.item(), shown.item()

    def _of_scenes(self, lesson: Lesson, vectors: torch.Tensor) -> torch.Tensor:
        images = self.projection.vectors(self._blurred(lesson.features))
        logits = self.scale.exp() * images @ functional.normalize(vectors, dim=1).T
        return (_spread(logits, lesson.fitting) + _spread(logits.T, lesson.fitting.T)) / 2

    def _blurred(self, features: torch.Tensor) -> torch.Tensor:
        """Add noise, so that the projection leans on what is plain in the features."""
        length = (features - self.projection.mean).norm(dim=1, keepdim=True)
        noise = torch.randn(features.shape, generator=self._dice)
        blurred: torch.Tensor = features + NOISE * length / math.sqrt(features.shape[1]) * noise
        return blurred

    def _loudness(self) -> torch.Tensor:
        """Give how much of a photograph's vector the painted part takes.

        Photographs are stood in for by the mean and a few classes' rows, with noise: none takes
        part in teaching.
        """
        rows = torch.from_numpy(self.course.tower.rows)
        chosen = torch.randint(0, len(rows), (128, 3), generator=self._dice)
        seen = functional.normalize(rows[chosen].sum(1), dim=1) * 9
        noise = torch.randn(seen.shape, generator=self._dice) * 9 / math.sqrt(seen.shape[1])
        photo, painted = self.projection(torch.from_numpy(self.course.tower.mean) + seen + noise)
        share: torch.Tensor = (painted.norm(dim=1) / photo.norm(dim=1)).square().mean()
        return share


def teach(course: Course, plan: Plan, folder: Path) -> list[tuple[float, float]]:
    """Teach, and write the running mean of the weights of the last steps to a folder.

    Returns:
        The two losses of each step.
    """
    teacher = Teacher(course, plan)
    mean = _state(teacher)
    losses, started = [], time.monotonic()
    for step in range(plan.steps):
        losses.append(teacher.step(_rate(step, plan)))
        keep = min(plan.averaging, (step + 1) / (step + 10))
        for name, value in _state(teacher).items():
            mean[name].lerp_(value, 1 - keep)
        if step % 50 == 0:
            told, shown = losses[-1]
            spent = time.monotonic() - started
            print(f"step {step}/{plan.steps}  {told:.3f} {shown:.3f}  {spent:.0f} s", flush=True)
    pack(mean, course.tokens.ids, course.looks.keys() | course.painted_words, folder)
    return losses


def _state(teacher: Teacher) -> dict[str, torch.Tensor]:
    """Copy the weights of everything but the image tower."""
    teacher.projection.write_to(teacher.network)
    state = {
        name: value.detach().clone()
        for name, value in teacher.network.state_dict().items()
        if not name.startswith("visual.trunk.")
    }
    state["logit_scale"] = teacher.scale.detach().clone()
    return state


def main() -> None:
    """Fetch WordNet, draw the pool, teach, write the weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    usual = Plan()
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--scenes", type=int, default=usual.scenes)
    parser.add_argument("--cache", type=Path, default=Path(".cache/pocket"))
    chosen = parser.parse_args()
    plan = Plan(seed=chosen.seed, steps=chosen.steps, scenes=chosen.scenes)
    tower, nouns = load(), fetch(chosen.cache)
    started = time.monotonic()
    pool = fill_pool(tower, range(FIRST_SEED, FIRST_SEED + plan.scenes))
    print(f"{plan.scenes} scenes drawn in {time.monotonic() - started:.0f} s", flush=True)
    teach(Course(tower, nouns, pool, EVERYDAY.read_text()), plan, HERE)


if __name__ == "__main__":
    main()
