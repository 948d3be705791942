"""Tries each address of a queen from this machine; a list of JSON objects on stdout.

Arguments: seconds for each try, then the URLs. Sent by ``rbee.remote.facts`` through
stdin to a machine that has no rbee yet, so it uses the standard library alone. It
only asks whether a queen is there: who she is, joining makes sure of, so an
unknown certificate is no obstacle here.
"""

import json
import socket
import ssl
import sys
import urllib.error
import urllib.request


def why(error: object) -> str:
    """An error in a few words."""
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection: nobody listens there"
    if isinstance(error, TimeoutError):
        return "does not answer in time: a firewall, or another network"
    if isinstance(error, socket.gaierror):
        return "has a name that this machine cannot resolve"
    return " ".join(str(error).split()) or type(error).__name__


def attempt(url: str, wait_s: float) -> dict[str, object]:
    """Ask for ``/health``; any answer in HTTP's language means that the way is open."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(url + "/health", timeout=wait_s) as answer:
            said = answer.read(200).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return {"url": url, "reached": True, "said": f"HTTP {error.code}"}
    except urllib.error.URLError as error:
        return {"url": url, "reached": False, "said": why(error.reason)}
    except Exception as error:  # noqa: BLE001  a process's boundary: whatever it is, it is told
        return {"url": url, "reached": False, "said": why(error)}
    return {"url": url, "reached": True, "said": said}


if __name__ == "__main__":
    print(json.dumps([attempt(url, float(sys.argv[1])) for url in sys.argv[2:]]))  # noqa: T201  its answer
