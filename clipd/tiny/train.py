"""Train the embedded model on scenes that it draws itself: `python -m clipd.tiny.train`.

A batch holds scenes and one caption for each. A caption fits every scene that shows what it
says, so the loss spreads its target over all that fit: nothing true is taught to be false.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import math
import time
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from clipd.tiny import model
from clipd.tiny.lessons import Lesson, Vocabulary, lessons
from clipd.tiny.model import Network
from clipd.tiny.scene_pool import Pool, fill_pool
from clipd.tiny.weights import PACKED

FIRST_SEED = 1_000_000  # the report draws its scenes from seeds below this


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to train; the defaults make the shipped weights."""

    seed: int = 1
    scenes: int = 48_000
    steps: int = 2_600
    batch: int = 256
    peak_rate: float = 2e-3
    weight_decay: float = 0.05
    averaging: float = 0.995


def _spread(logits: torch.Tensor, fitting: torch.Tensor) -> torch.Tensor:
    """Give the cross entropy of rows whose target is shared among all that fit."""
    target = fitting.float()
    weight = target.sum(1)
    losses = -(target * logits.log_softmax(1)).sum(1) / weight.clamp(min=1)
    return losses[weight > 0].mean()


def loss_of(network: Network, lesson: Lesson) -> torch.Tensor:
    """Give the contrastive loss of a batch, both ways, and a little for kin among pictures."""
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        images = network.encode_image(lesson.pixels.to(device), normalize=True)
        texts = network.encode_text(lesson.tokens.to(device), normalize=True)
    images, texts = images.float(), texts.float()
    logits = network.logit_scale.exp() * images @ texts.T
    fitting, related = lesson.fitting.to(device), lesson.related.to(device)
    own = torch.eye(len(images), dtype=torch.bool, device=device)
    kin = (10 * images @ images.T).masked_fill(own, -1e4)
    both_ways = (_spread(logits, fitting) + _spread(logits.T, fitting.T)) / 2
    return both_ways + 0.2 * _spread(kin, related)


def _rate(step: int, plan: Plan) -> float:
    """Give the learning rate: a short rise, then half a cosine down."""
    rise = min(1.0, (step + 1) / 100)
    return plan.peak_rate * rise * (0.5 + 0.5 * math.cos(math.pi * step / plan.steps))


def _pupil(vocabulary: Vocabulary) -> Network:
    """Build an untrained network that reads the compact vocabulary."""
    network = model.create()
    table = torch.nn.Embedding(len(vocabulary.ids) + 1, network.token_embedding.embedding_dim, 0)
    torch.nn.init.normal_(table.weight, std=0.05)
    table.weight.data[0] = 0
    network.token_embedding = table
    return network.train()


def _average(mean: Network, network: Network, keep: float) -> None:
    """Move the running mean of the weights towards the weights."""
    with torch.no_grad():
        now = network.state_dict()
        for name, value in mean.state_dict().items():
            if value.is_floating_point():
                value.lerp_(now[name], 1 - keep)
            else:
                value.copy_(now[name])


def _optimizer(network: Network, plan: Plan) -> torch.optim.Optimizer:
    """Give an optimizer that decays matrices, and leaves gains and offsets alone."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": plan.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def _learn(network: Network, optimizer: torch.optim.Optimizer, lesson: Lesson) -> float:
    """Take one step and give the loss before it."""
    loss = loss_of(network, lesson)
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    optimizer.step()
    # A scale that grows without bound makes the loss blow up; CLIP stops it at 100 as well.
    network.logit_scale.data.clamp_(0, math.log(100))
    return loss.item()


def train(pool: Pool, plan: Plan, packed: Path, save_every: int = 0) -> list[float]:
    """Train on a pool and write the weights, the running mean of those of the last steps.

    Args:
        pool: the scenes to learn from.
        plan: how much.
        packed: where the weights go.
        save_every: write them every so many steps besides; 0 for only at the end.

    Returns:
        The loss of each step.
    """
    torch.manual_seed(plan.seed)
    vocabulary = Vocabulary()
    network = _pupil(vocabulary).to("cuda" if torch.cuda.is_available() else "cpu")
    mean, optimizer = copy.deepcopy(network), _optimizer(network, plan)
    losses: list[float] = []
    started = time.monotonic()
    source = lessons(pool, vocabulary, plan.seed, plan.batch)
    for step in range(plan.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, plan)
        losses.append(_learn(network, optimizer, next(source)))
        _average(mean, network, min(plan.averaging, (step + 1) / (step + 10)))
        if step % 50 == 0:
            spent = time.monotonic() - started
            print(f"step {step}/{plan.steps}  loss {losses[-1]:.3f}  {spent:.0f} s", flush=True)
        if save_every and step and step % save_every == 0:
            save(mean, vocabulary, packed)
    save(mean, vocabulary, packed)
    return losses


def save(network: Network, vocabulary: Vocabulary, path: Path) -> None:
    """Write weights in fp16 and packed, with a zero row for every token never trained."""
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    compact = state["token_embedding.weight"]
    table = torch.zeros(model.tokenizer().vocab_size, compact.shape[1])
    table[torch.from_numpy(vocabulary.ids)] = compact[1:]
    state["token_embedding.weight"] = table
    # Running variances can be smaller than fp16 tells apart, and they cost nothing.
    halved = {
        name: value.half() if value.is_floating_point() and "running" not in name else value
        for name, value in state.items()
    }
    packed = gzip.compress(safetensors.torch.save(halved), compresslevel=9, mtime=0)
    path.write_bytes(packed)
    print(f"{path.name}: {len(packed) / 1e6:.2f} MB", flush=True)


def main() -> None:
    """Draw the pool, train, write the weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    usual = Plan()
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--scenes", type=int, default=usual.scenes)
    parser.add_argument("--save-every", type=int, default=0, help="steps between saves")
    chosen = parser.parse_args()
    plan = Plan(seed=chosen.seed, steps=chosen.steps, scenes=chosen.scenes)
    started = time.monotonic()
    pool = fill_pool(range(FIRST_SEED, FIRST_SEED + plan.scenes))
    print(f"{plan.scenes} scenes drawn in {time.monotonic() - started:.0f} s", flush=True)
    train(pool, plan, PACKED, chosen.save_every)


if __name__ == "__main__":
    main()
