# Says what this machine is, as key=value lines on stdout; changes nothing.
# Arguments: the prefix of an installation (absolute, or below the home), a Python or "".
# Sent by rbee/remote/facts.py through stdin, for any POSIX sh.
prefix=$1 wished=$2
case $prefix in
/*) ;;
"~/"*) prefix=$HOME/${prefix#"~/"} ;;
*) prefix=$HOME/$prefix ;;
esac
say() { printf '%s=%s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }

say home "$HOME"
say user "$(id -un)"
say hostname "$(uname -n)"
say system "$(uname -s)"
say machine "$(uname -m)"
say client "${SSH_CONNECTION%% *}"

if [ "$(id -u)" = 0 ]; then
  say sudo root
elif ! have sudo; then
  say sudo absent
elif sudo -n true </dev/null >/dev/null 2>&1; then
  say sudo free
else
  say sudo password
fi

if [ -d /run/systemd/system ] && have systemctl; then say systemd yes; else say systemd no; fi
XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
export XDG_RUNTIME_DIR
if have systemctl && systemctl --user show-environment </dev/null >/dev/null 2>&1; then
  say user_systemd yes
else
  say user_systemd no
fi

# Of the nearest folder that is there already.
folder=$prefix
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
say disk "$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')"

[ -r "$prefix/installed.json" ] && say record "$(tr -d '\n' <"$prefix/installed.json")"

about='
import json, os, platform, sys
# An environment made from a link may find another Python beside the link: take what it
# leads to, but for the ones of Homebrew, whose true names change with every update.
path = sys.executable if sys.platform == "darwin" else os.path.realpath(sys.executable)
found = {"path": path, "version": list(sys.version_info[:3])}
if sys.version_info >= (3, 11):
    import importlib.util
    implementation = sys.implementation
    found["venv"] = importlib.util.find_spec("venv") is not None
    found["libc"] = list(platform.libc_ver())
    found["mac"] = platform.mac_ver()[0]
    found["markers"] = {
        "implementation_name": implementation.name,
        "implementation_version": platform.python_version(),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }
print("python=" + json.dumps(found))
'
ask() { [ -n "$1" ] && "$1" -c "$about" </dev/null 2>/dev/null; }
if [ -n "$wished" ]; then
  ask "$wished"
else
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    for folder in "" "$HOME/.local/bin/" /usr/local/bin/ /opt/homebrew/bin/ /usr/bin/; do
      ask "$(command -v "$folder$name" 2>/dev/null)"
    done
  done
fi
exit 0
