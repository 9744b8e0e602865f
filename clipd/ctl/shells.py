"""Completion in bash, zsh and fish: the scripts, and how each shell says what is typed.

click's own scripts take a word apart at its colons (bash), add a space behind ``camera:`` (zsh)
or lose what stands behind a comma (fish).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

_PLAIN = re.compile(r"([^\w@%+=:,./-])")  # all else is escaped for the shell

_BASH = """\
%(complete_func)s() {
    local kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) COMPREPLY+=("$value") ;;
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
        esac
    done < <(env _CLIPD_LINE="${COMP_LINE:0:COMP_POINT}" _CLIPD_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete %(prog_name)s 2>/dev/null)
    [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *[:/] ]] && compopt -o nospace
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH = """\
#compdef %(prog_name)s
%(complete_func)s() {
    local -a answer plain keys
    local kind value
    answer=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
        %(complete_var)s=zsh_complete %(prog_name)s 2>/dev/null)}")
    for value in "${answer[@]}"; do
        kind=${value%%%%,*} value=${value#*,}
        case $kind in
            plain) if [[ $value == *[:/] ]]; then keys+=("$value"); else plain+=("$value"); fi ;;
            file) _path_files -f ;;
            dir) _path_files -/ ;;
        esac
    done
    (( $#keys )) && compadd -U -S '' -V keys -a keys
    (( $#plain )) && compadd -U -V plain -a plain
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""
_FISH = """\
function %(complete_func)s
    for line in (env COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -ct) \\
            %(complete_var)s=fish_complete %(prog_name)s 2>/dev/null)
        set -l item (string split -m 1 , -- $line)
        switch $item[1]
            case plain
                echo $item[2]
            case file
                __fish_complete_path (commandline -ct)
            case dir
                __fish_complete_directories (commandline -ct)
        end
    end
end
complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class BashWords(BashComplete):
    """Completion of whole words in bash, which takes them apart at colons."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Take the line apart as the shell will, but for its breaks within words."""
        line = os.environ.get("_CLIPD_LINE", "")
        words = split_arg_string(line)[1:]
        is_new_word = line[-1:].isspace() and not line.endswith("\\ ")
        self._word = "" if is_new_word or not words else words.pop()
        return words, self._word

    def format_completion(self, item: CompletionItem) -> str:
        """Write what stands in place of the last piece of the word, escaped."""
        value = item.value
        breaks = set(os.environ.get("_CLIPD_BREAKS", "")) & set(":=")
        ends = [at + 1 for at, character in enumerate(self._word) if character in breaks]
        start = self._word[: ends[-1]] if ends else ""
        escaped = _PLAIN.sub(r"\\\1", value.removeprefix(start))
        return f"{item.type},{escaped}"

    @staticmethod
    def _check_version() -> None:
        """Let every bash read the script: click starts one to ask for its version."""


class ZshWords(ZshComplete):
    """Completion in zsh; no space follows ``camera:``."""

    source_template = _ZSH

    def format_completion(self, item: CompletionItem) -> str:
        """Write an item on one line; zsh escapes it."""
        return f"{item.type},{item.value}"


class FishWords(FishComplete):
    """Completion in fish; commas stay."""

    source_template = _FISH


CLASSES: dict[str, type[ShellComplete]] = {"bash": BashWords, "zsh": ZshWords, "fish": FishWords}


def use_our_shells() -> None:
    """Have click answer shells by way of these classes."""
    for name, kind in CLASSES.items():
        add_completion_class(kind, name)


def completion_script(shell: str, programs: Sequence[tuple[str, click.Command]]) -> str:
    """Return what a shell has to read to complete the words of programs."""
    scripts = [
        CLASSES[shell](group, {}, name, f"_{name.upper()}_COMPLETE").source()
        for name, group in programs
    ]
    return "\n".join(scripts)
