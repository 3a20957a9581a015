"""``lanes completion SHELL``: the script with which a shell completes commands, options and session keys."""

import click

from lanes.commands.common.session import Session, pass_session
from lanes.commands.output.printing import COMPLETING

#: Bash splits words at colons, which most session keys contain. The script joins them again before it asks lanes, and
#: returns only the part of each answer after the last typed colon.
BASH = r"""
_lanes_completion() {
    local IFS=$'\n' words=() cword=0 i answer current before type value
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        if ((i > 0)) && [[ ${COMP_WORDS[i]} == :* || ${words[-1]} == *: ]]; then
            words[-1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
        ((i == COMP_CWORD)) && cword=$((${#words[@]} - 1))
    done
    current=${words[cword]}
    before=${current%"${current##*:}"}
    COMPREPLY=()
    while IFS=',' read -r type value; do
        if [[ $type == dir ]]; then
            compopt -o dirnames
        elif [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            printf -v value %q "${value#"$before"}"
            COMPREPLY+=("$value")
        fi
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$cword _LANES_COMPLETE=bash_complete "$1")
}
complete -o nosort -F _lanes_completion lanes
""".lstrip()
#: Click's own script splits an answer at every comma, which keys may contain.
FISH = """
function _lanes_completion
    for answer in (env _LANES_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) lanes)
        set -l parts (string split --max 1 "," -- $answer)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                printf '%s\\n' $parts[2]
        end
    end
end
complete --no-files --command lanes --arguments "(_lanes_completion)"
""".lstrip()


OURS = {"bash": BASH, "fish": FISH}


@click.command(
    "completion",
    epilog="""\b
    Examples:
      eval "$(lanes completion bash)"                                in ~/.bashrc
      eval "$(lanes completion zsh)"                                 in ~/.zshrc
      lanes completion fish > ~/.config/fish/completions/lanes.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_session
def command(session: Session, shell: str) -> None:
    """Print what a shell needs for completion.

    It completes commands, options and session keys.
    """
    if shell in OURS:
        session.out.block(OURS[shell].rstrip())
        return
    from click.shell_completion import get_completion_class

    from lanes.commands.common.app import lanes

    found = get_completion_class(shell)
    assert found is not None, "click knows these shells"
    session.out.block(found(lanes, {}, "lanes", COMPLETING).source().strip())
