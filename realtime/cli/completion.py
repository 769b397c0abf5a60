"""`realtime completion SHELL`: print a script that completes commands, flags and their choices."""

from __future__ import annotations

import argparse
import importlib
import sys

SHELLS = ("bash", "zsh", "fish")

BASH = """# bash completion of realtime; for good:
#   realtime completion bash > ~/.local/share/bash-completion/completions/realtime
_realtime() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" choices=""
  case "$COMP_CWORD:${{COMP_WORDS[1]}}" in
    1:*) choices="{commands}" ;;
{cases}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "$word"))
  [ ${{#COMPREPLY[@]}} -gt 0 ] || [[ "$word" == -* ]] || COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _realtime realtime
"""
ZSH = """#compdef realtime
# zsh completion of realtime; for good, in a folder of $fpath: realtime completion zsh > _realtime
_realtime() {{
  local -a commands=(
{commands}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case $words[2] in
{cases}
    *) _files ;;
  esac
}}
compdef _realtime realtime
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")


def main(args: argparse.Namespace) -> int:
    sys.stdout.write({"bash": bash, "zsh": zsh, "fish": fish}[args.shell]())
    return 0


def actions(command: str) -> list[argparse.Action]:
    """Return the flags of a command."""
    from realtime.cli.main import COMMANDS

    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[command][0]).add_arguments(parser)
    found = [action for one in (parser, *nested(parser).values()) for action in one._actions]  # noqa: SLF001
    by_flag = {action.option_strings[-1]: action for action in found if action.option_strings}
    return list(by_flag.values())


def nested(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands of a command, such as those of `realtime bridge`, by name."""
    actions = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]  # noqa: SLF001
    return dict(actions[0].choices) if actions else {}


def words(command: str) -> list[str]:
    from realtime.cli.main import COMMANDS

    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[command][0]).add_arguments(parser)
    return list(nested(parser))


def names() -> dict[str, str]:
    from realtime.cli.main import COMMANDS

    return {name: about for name, (_, about) in COMMANDS.items()}


def bash() -> str:
    cases = []
    for name in names():
        flags = [action.option_strings[-1] for action in actions(name)]
        choosing = [action for action in actions(name) if action.choices]
        inner = "".join(
            f'{a.option_strings[-1]}) choices="{" ".join(map(str, a.choices or ()))}" ;; ' for a in choosing
        )
        cases.append(f'    *:{name}) case "$before" in {inner}*) choices="{" ".join(words(name) + flags)}" ;; esac ;;')
    return BASH.format(commands=" ".join(names()), cases="\n".join(cases))


def zsh() -> str:
    cases = []
    for name in names():
        flags = " ".join(
            f"'{action.option_strings[-1]}[{plain(action.help)}]{value(action)}'" for action in actions(name)
        )
        rest = f"1:to:({' '.join(words(name))})" if words(name) else "*:file:_files"
        cases.append(f"    {name}) _arguments {flags} '{rest}' ;;")
    commands = "\n".join(f"    '{name}:{plain(about)}'" for name, about in names().items())
    return ZSH.format(commands=commands, cases="\n".join(cases))


def value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    return f":value:({' '.join(map(str, action.choices))})" if action.choices else ":value:_files"


def fish() -> str:
    lines = ["# fish completion of realtime; for good:"]
    lines += ["#   realtime completion fish > ~/.config/fish/completions/realtime.fish"]
    for name, about in names().items():
        lines.append(f"complete -c realtime -n __fish_use_subcommand -a {name} -d '{plain(about)}'")
        for word in words(name):
            lines.append(f"complete -c realtime -n '__fish_seen_subcommand_from {name}' -a {word}")
        for action in actions(name):
            when, flag = f"'__fish_seen_subcommand_from {name}'", action.option_strings[-1].removeprefix("--")
            lines.append(f"complete -c realtime -n {when} -l {flag}{wanted(action)} -d '{plain(action.help)}'")
    return "\n".join(lines) + "\n"


def wanted(action: argparse.Action) -> str:
    """Return what fish offers behind a flag."""
    if action.nargs == 0:
        return ""
    return f" -r -a '{' '.join(map(str, action.choices))}'" if action.choices else " -r"


def plain(text: str | None) -> str:
    """Help without what shells would read as their own."""
    return "".join(c for c in text or "" if c not in "'\"`[]$\\").replace(":", " ").replace("%(default)s", "")
