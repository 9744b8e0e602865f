"""Texts through the text tower while it is taught: read as open_clip does, at less cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from clipd.pocket.model import Network


def read_texts(network: Network, tokens: NDArray[np.int64]) -> torch.Tensor:
    """Encode rows of compact tokens, the short ones apart from the long ones.

    Returns:
        float32, (n, dim), not normalised, in the order of the rows.
    """
    order = np.argsort((tokens > 0).cumsum(1).argmax(1), kind="stable")
    half = len(order) // 2
    short, rest = tokens[order[:half]], tokens[order[half:]]
    used = int(np.flatnonzero((short > 0).any(axis=0)).max()) + 1 if half else 0
    parts = [_read(network, torch.from_numpy(part)) for part in (short[:, :used], rest)]
    back = torch.from_numpy(np.argsort(order))
    return torch.cat(parts)[back].float()


def _read(network: Network, tokens: torch.Tensor) -> torch.Tensor:
    """Encode texts as open_clip does, but the last block at their ends only.

    What it would make of the other places is never read, and costs as much as all the rest.
    """
    length, rows = tokens.shape[1], torch.arange(len(tokens))
    *blocks, final = network.transformer.resblocks
    state = network.token_embedding(tokens) + network.positional_embedding[:length]
    for block in blocks:
        state = block(state, attn_mask=network.attn_mask[:length, :length])
    ends = tokens.argmax(dim=1)
    last = state[rows, ends]
    last = last + _attend(final, state, last, ends)
    last = last + final.mlp(final.ln_2(last))
    return network.ln_final(last) @ network.text_projection  # type: ignore[no-any-return]


def _attend(
    block: Any, state: torch.Tensor, last: torch.Tensor, ends: torch.Tensor
) -> torch.Tensor:
    """Let one place of each text look at those before it."""
    attention = block.attn
    width, heads = attention.embed_dim, attention.num_heads
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    asks = functional.linear(block.ln_1(last), weight[:width], bias[:width])[:, None]
    seen = functional.linear(block.ln_1(state), weight[width:], bias[width:])
    keys, values = seen.chunk(2, dim=2)
    split = [
        part.reshape(len(part), -1, heads, width // heads).transpose(1, 2)
        for part in (asks, keys, values)
    ]
    until = (torch.arange(state.shape[1]) <= ends[:, None])[:, None, None]
    found = functional.scaled_dot_product_attention(split[0], split[1], split[2], until)
    return attention.out_proj(found.transpose(1, 2).flatten(1))  # type: ignore[no-any-return]
