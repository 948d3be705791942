"""The scripts that make a shell ask ``rbee __complete`` at a Tab, and where each belongs.

Each falls back to the shell's own completion of files where there is nothing to say, as
after ``rbee model download ./``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

Shell: TypeAlias = Literal["bash", "zsh", "fish"]

_BASH: Final = """\
# Completion of rbee for bash: eval "$(rbee completion bash)"
_rbee() {
    local -a typed
    local begun='' word cut
    # From the line itself: bash splits words at ':' and '=', which models and flags hold.
    read -ra typed <<< "${COMP_LINE:0:COMP_POINT}"
    case "${COMP_LINE:0:COMP_POINT}" in
        *' ') typed+=('') ;;
        *) begun="${typed[${#typed[@]}-1]}" ;;
    esac
    cut="${begun%"${begun##*[:=]}"}"
    COMPREPLY=()
    while IFS=$'\\t' read -r word _; do
        COMPREPLY+=("${word#"$cut"}")
    done < <("${typed[0]}" __complete "${typed[@]:1}" 2>/dev/null)
}
complete -o bashdefault -o default -F _rbee rbee rbee-keeper
"""

_ZSH: Final = """\
#compdef rbee rbee-keeper
# Completion of rbee for zsh: rbee completion zsh > "${fpath[1]}/_rbee"
_rbee() {
    local -a found
    local word about
    while IFS=$'\\t' read -r word about; do
        found+=("${word//:/\\\\:}${about:+:$about}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#found )); then
        _describe 'rbee' found
    else
        _files
    fi
}
if [[ "$funcstack[1]" = "_rbee" ]]; then _rbee "$@"; else compdef _rbee rbee rbee-keeper; fi
"""

_FISH: Final = """\
# Completion of rbee for fish: rbee completion fish > ~/.config/fish/completions/rbee.fish
function __rbee_complete
    set -l typed (commandline -opc)
    set -l begun (commandline -ct)
    set -l found ($typed[1] __complete $typed[2..-1] "$begun" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path "$begun"
    end
end
complete -c rbee -f -a '(__rbee_complete)'
complete -c rbee-keeper -f -a '(__rbee_complete)'
"""

SCRIPTS: Final[dict[Shell, str]] = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def place_of(shell: Shell, env: Mapping[str, str] = os.environ) -> Path:
    """The file that a shell loads by itself, in the user's own folders."""
    home = Path(env.get("HOME") or Path.home())
    data = Path(env.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    match shell:
        case "bash":
            return data / "bash-completion" / "completions" / "rbee"
        case "zsh":
            return data / "zsh" / "site-functions" / "_rbee"
        case "fish":
            return config / "fish" / "completions" / "rbee.fish"


def after_install(shell: Shell, path: Path) -> str:
    """What has to be so that the file is found."""
    match shell:
        case "bash":
            return (
                "New shells know it where the package bash-completion is installed; else put\n"
                f'  eval "$(rbee completion bash)"\ninto ~/.bashrc. This shell: . {path}'
            )
        case "zsh":
            return (
                f"Put this before compinit in ~/.zshrc, once:\n  fpath=({path.parent} $fpath)\n"
                "  autoload -U compinit && compinit"
            )
        case "fish":
            return "New shells know it at once."
