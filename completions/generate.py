"""Writes completions/pmgsync.bash from the table of commands and the schema. A test compares the
two.

python completions/generate.py
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from pmgsync.cli.command import Command, parser_of
from pmgsync.cli.main import COMMANDS, every_command
from pmgsync.pmgconf.schema import SECTIONS, keys
from pmgsync.pmgconf.values import OptionRule, ValueType

SCRIPT = Path(__file__).with_name("pmgsync.bash")
KEY = "SECTION.KEY"

# What `arguments` holds for each argument of a command: `key`, `value` (of the key before it),
# words joined by commas, or `-` for what is not completed; a `+` behind it: any number of them.
TEMPLATE = r"""# Completion of pmgsync's commands, options and arguments for bash.
# Written by completions/generate.py. Source it, or install it as
# /usr/share/bash-completion/completions/pmgsync.

_pmgsync_of() { # COMMAND: its verbs, options, those of them with a value, and its arguments
    verbs='' options='--help --root' valued='--root' arguments=''
    case $1 in
@COMMANDS@
    esac
}

_pmgsync_values() { # KEY: the values of an option of pmg.conf, where they are few
    case $1 in
@VALUES@
    esac
}

_pmgsync_option_values() { # COMMAND --OPTION: the values of an option of a command, if few
    case $1 in
@OPTION_VALUES@
    esac
}

_pmgsync_word() { # into $word: the next one from $at on that is no option
    while ((at < COMP_CWORD)); do
        word=${COMP_WORDS[at++]}
        case $word in
            --root) ((at++)) ;;
            -*) ;;
            *) return 0 ;;
        esac
    done
    return 1
}

_pmgsync_candidates() { # the words among which the one at the cursor may be
    local at=1 word='' verbs options valued arguments given=() kinds=()
    [[ ${COMP_WORDS[COMP_CWORD - 1]} != --root ]] || return
    _pmgsync_of ''
    _pmgsync_word || { echo "$verbs $options"; return; }
    local command=$word
    _pmgsync_of "$command"
    if [[ -n $verbs ]]; then
        _pmgsync_word || { echo "$verbs $options"; return; }
        command+=" $word"
        _pmgsync_of "$command"
    fi
    while ((at < COMP_CWORD)); do
        word=${COMP_WORDS[at++]}
        if [[ " $valued " == *" $word "* ]]; then
            ((at++))
        elif [[ $word != -* ]]; then
            given+=("$word")
        fi
    done
    if ((at > COMP_CWORD)); then # the cursor is in an option's value
        _pmgsync_option_values "$command ${COMP_WORDS[COMP_CWORD - 1]}"
        return
    elif [[ ${COMP_WORDS[COMP_CWORD]} == -* ]]; then
        echo "$options"
        return
    fi
    [[ -n $arguments ]] || return
    read -ra kinds <<<"$arguments"
    word=${kinds[${#given[@]}]:-${kinds[-1]}}
    [[ ${#given[@]} -lt ${#kinds[@]} || $word == *+ ]] || return
    case ${word%+} in
        key) echo @KEYS@ ;;
        value) _pmgsync_values "${given[0]}" ;;
        -) ;;
        *) echo "${word//,/ }" ;;
    esac
}

_pmgsync() {
    mapfile -t COMPREPLY < <(compgen -W "$(_pmgsync_candidates)" -- "${COMP_WORDS[COMP_CWORD]}")
}

complete -o bashdefault -o default -F _pmgsync pmgsync
"""


def script() -> str:
    """The whole script."""
    return (
        TEMPLATE.replace("@COMMANDS@", "\n".join(command_lines()))
        .replace("@VALUES@", "\n".join(value_lines()))
        .replace("@OPTION_VALUES@", "\n".join(option_value_lines()))
        .replace("@KEYS@", " ".join(keys()))
    )


def command_lines() -> Iterator[str]:
    """What each command takes, as branches of a `case`."""
    yield f"        '') verbs='{' '.join(COMMANDS)}' options='--help --root --version' ;;"
    for name, command in every_command():
        yield f"        '{name}') {assignments(name, command)} ;;"


def assignments(name: str, command: Command) -> str:
    """What one command takes."""
    if command.verbs:
        return f"verbs='{' '.join(command.verbs)}'"
    actions = parser_of(name, command)._actions
    options = {long_name(action): action for action in actions if action.option_strings}
    valued = [word for a in options.values() if a.nargs != 0 for word in a.option_strings]
    arguments = [kind(action) for action in actions if not action.option_strings]
    return (
        f"options='{' '.join(sorted(options))}' valued='{' '.join(sorted(valued))}'"
        f" arguments='{' '.join(arguments)}'"
    )


def long_name(action: argparse.Action) -> str:
    """`--message` of `-m` and `--message`."""
    return max(action.option_strings, key=len)


def kind(action: argparse.Action) -> str:
    """How an argument is completed; see above."""
    many = "+" if action.nargs in ("*", "+", argparse.REMAINDER) else ""
    if action.metavar == KEY:
        return f"key{many}"
    if action.metavar == "VALUE" and not action.choices:
        return "value"
    return f"{','.join(map(str, action.choices))}{many}" if action.choices else f"-{many}"


def option_value_lines() -> Iterator[str]:
    """The values of options that have a fixed few, as branches of a `case`."""
    for name, command in every_command():
        for action in parser_of(name, command)._actions:
            if action.option_strings and action.choices:
                words = " | ".join(f"'{name} {word}'" for word in action.option_strings)
                yield f"        {words}) echo {' '.join(map(str, action.choices))} ;;"


def value_lines() -> Iterator[str]:
    """The values that options may have, as branches of a `case`: many have the same few."""
    by_values: dict[str, list[str]] = {}
    for section, settings in SECTIONS.items():
        for name, setting in settings.items():
            if values := few_values(setting.rule):
                by_values.setdefault(values, []).append(f"{section}.{name}")
    for values, having in by_values.items():
        yield f"        {' | '.join(having)}) echo {values} ;;"


def few_values(rule: OptionRule) -> str:
    """All values that the rule allows, if they are few; else nothing."""
    return "0 1" if rule.type is ValueType.BOOLEAN else " ".join(rule.choices)


if __name__ == "__main__":
    SCRIPT.write_text(script())
