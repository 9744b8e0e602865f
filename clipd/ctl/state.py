"""``clipctl status``, ``errors`` and ``ping``."""

from __future__ import annotations

import math
from collections.abc import Iterator

import click

from clipd.ctl.client import Client
from clipd.ctl.command_group import json_option
from clipd.ctl.next_model import next_model_line
from clipd.ctl.output import columns, emit_json, emit_lines, objects, say
from clipd.ctl.waiting import clock, next_model, number, wait_until_idle
from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import one_line

PAGE = 1000


@click.command()
@click.option("--wait", is_flag=True, help="Wait until all is indexed, with progress.")
@json_option
def status(wait: bool, as_json: bool) -> None:
    """Say what clipd is doing.

    \b
      clipctl status
      clipctl status --wait && clipctl search sunset
      clipctl status --json | jq .backlog
    """
    client = Client()
    state = wait_until_idle(client) if wait else client.get("/v1/status")
    if as_json:
        emit_json(state)
    else:
        emit_lines(_state_lines(state))


@click.command()
@click.option(
    "--all", "with_skipped", is_flag=True, help="Also files that are no pictures by name."
)
@json_option
def errors(with_skipped: bool, as_json: bool) -> None:
    """List the files that are not among the photos, and why.

    \b
      clipctl errors
      clipctl errors --json | jq -r '.[] | select(.kind == "corrupt") | .path'

    Prints the kind, the path and the reason, with tabs between. What only waits is no error;
    where something does, a sentence says what for.
    """
    client = Client()
    failures = list(_failures(client, with_skipped or as_json))
    if as_json:
        emit_json([*failures])
        return
    emit_lines(columns(one["kind"], one["path"], one["reason"]) for one in failures)
    state = client.get("/v1/status")
    skipped = 0 if with_skipped else number(state, "skipped")
    if skipped:
        say(f"{_files(skipped)} skipped by name; list them with: clipctl errors --all")
    if not failures and not skipped:
        say("no errors")
    for sentence in _waits(state):
        say(one_line(sentence))


@click.command()
@json_option
def ping(as_json: bool) -> None:
    """Say whether clipd answers. Ends with 3 when it does not."""
    answer = Client().ping()
    if as_json:
        emit_json(answer)
    else:
        emit_lines([f"clipd {answer['version']} answers (pid {answer['pid']})"])


def _failures(client: Client, with_skipped: bool) -> Iterator[JsonObject]:
    after: JsonValue = ""
    while after is not None:
        flag = "true" if with_skipped else "false"
        page = client.get("/v1/errors", {"limit": PAGE, "skipped": flag, "after": after})
        yield from objects(page["errors"])
        after = page["next"]


def _state_lines(state: JsonObject) -> Iterator[str]:
    yield (
        f"{state.get('state')}: {number(state, 'photos'):,} photos at "
        f"{number(state, 'paths'):,} paths, {number(state, 'backlog'):,} changes waiting"
        f"{_time_left(state)}"
    )
    for sentence in _rests(state):
        yield f"         {sentence}"
    encoder = state.get("encoder")
    if isinstance(encoder, dict):
        keys = ("device", "runtime", "precision", "reason")
        far = f"on {encoder['far']}" if encoder.get("far") else ""
        doing = str(encoder.get("doing") or "")
        if doing in str(encoder.get("reason")):
            doing = ""  # said there, and what it means
        details = [far, doing, *(encoder.get(key) for key in keys)]
        detail = ", ".join(str(one) for one in details if one)
        yield one_line(
            f"model    {encoder.get('model')}, {encoder.get('state')}, {detail}".rstrip(", ")
        )
    if following := next_model(state):
        yield one_line(next_model_line(following))
    if isinstance(index := state.get("index"), dict):
        yield from _index_lines(index)
    if isinstance(metadata := state.get("metadata"), dict):
        yield _metadata_line(metadata)
    told = set()
    for root in objects(state.get("roots")):
        told.add(f"{root.get('path')}: {root.get('reason')}")
        reason = f" ({root['reason']})" if root.get("reason") else ""
        yield one_line(f"root     {root.get('path')}: {root.get('state')}{reason}")
    problems = state.get("problems")
    # Programs find the reason of a root among the problems too; a person has just read it.
    for problem in problems if isinstance(problems, list) else []:
        if problem in told:
            continue
        yield one_line(f"problem  {problem}")
    if count := number(state, "errors"):
        yield f"errors   {_files(count)} could not be read; list them with: clipctl errors"


def _index_lines(index: JsonObject) -> Iterator[str]:
    """Say of an index what a person may wonder about: that it is not exact, or being built."""
    if lists := number(index, "lists"):
        recall = index.get("recall")
        share = f"{100 * recall:.1f} %" if isinstance(recall, int | float) else "most"
        yield (
            f"index    a search reads {number(index, 'nprobe'):,} of {lists:,} lists of photos,"
            f" which finds {share} of the ten best"
        )
    if index.get("merging"):
        yield "index    a new one is being built beside the other work"
    if (behind := number(index, "behind")) and not index.get("away"):  # else it is a problem
        yield f"index    {behind:,} changes behind, which it is taking in"


def _metadata_line(metadata: JsonObject) -> str:
    """Say how far the pass over the headers of photos is that an older clipd did not read."""
    left = metadata.get("seconds_left")
    minutes = math.ceil(left / 60) if isinstance(left, int) else 0
    when = f", about {minutes:,} min left" if minutes else ""
    read, total = number(metadata, "read"), number(metadata, "total")
    return f"details  dates, cameras and tags of {read:,} of {total:,} photos are read{when}"


def _time_left(state: JsonObject) -> str:
    """Say how long the backlog will take, at the rate of late; "" while nobody can tell."""
    rate, waiting = state.get("rate"), number(state, "backlog")
    encoder = state.get("encoder")
    if isinstance(encoder, dict) and encoder.get("state") == "away":
        return ""
    if state.get("state") != "indexing" or not isinstance(rate, int | float) or rate <= 0:
        return ""
    return f", about {clock(waiting / rate)} left" if waiting else ""


def _waits(state: JsonObject) -> Iterator[str]:
    """Say of photos that are no hits, though nothing is wrong with them, what they wait for."""
    waiting = number(state, "backlog")
    changes = "1 change waits" if waiting == 1 else f"{waiting:,} changes wait"
    if waiting and (reason := _reason_to_wait(state)):
        yield f"{reason} ({changes})"
    index = state.get("index")
    if isinstance(index, dict) and index.get("away"):
        yield f"what is new is not searched yet, since the index is away: {index['away']}"


def _reason_to_wait(state: JsonObject) -> str:
    """Say why new photos wait, and what ends that; "" where they only wait for their turn."""
    match state.get("state"):
        case "paused":
            return "indexing is paused, searches go on; end the pause with: clipctl resume"
        case "resting":
            return "new photos wait for mains power (power.on_battery), searches go on"
        case "waiting":
            return "new photos wait for the weights of the model; get them with: clipd model fetch"
    encoder = state.get("encoder")
    if isinstance(encoder, dict) and encoder.get("state") == "away" and number(state, "backlog"):
        return f"new photos wait for {encoder.get('far')}, and are encoded when it is back"
    return ""


def _rests(state: JsonObject) -> Iterator[str]:
    """Say of each thing that rests why it does, and what ends that."""
    if reason := _reason_to_wait(state):
        yield reason
    if state.get("state") == "scanning":
        yield "the folders are being compared with the catalog"
    encoder = state.get("encoder")
    if isinstance(encoder, dict) and encoder.get("state") == "asleep":
        yield "the model has left memory until it is needed (encoder.idle_unload)"
    metadata = state.get("metadata")
    if isinstance(metadata, dict):
        left = metadata.get("seconds_left")
        end = f", {clock(left)} left" if isinstance(left, int | float) else ""
        yield (
            "dates, cameras and places of known photos are being read: "
            f"{number(metadata, 'read'):,} of {number(metadata, 'total'):,}{end}"
        )


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
