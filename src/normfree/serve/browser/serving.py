"""``source=browser``: what is asked of the keys, what is printed, and the server until Ctrl-C."""

from __future__ import annotations

import importlib.util
import socket
import ssl
import threading
import webbrowser
from pathlib import Path

from normfree.config import UserError
from normfree.host.devices import has_display
from normfree.host.installing import install
from normfree.host.wording import counted
from normfree.serve.browser.reception import bracketed, is_own
from normfree.serve.keys import Prediction

_LEAST_TOKEN = 16
_BACKLOG = 256
_NEEDED = ("starlette", "uvicorn")


def serve(keys: Prediction) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        UserError: packages are missing, the address asks for more, is taken, or the networks cannot be used.
    """
    check(keys)
    with listening(keys.host, keys.port) as bound:
        _serve(keys, bound)


def check(keys: Prediction) -> None:
    """What can be said before anything is loaded.

    Raises:
        UserError: as `serve`.
    """
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(f"source=browser: needs {' and '.join(missing)}; {install('normfree[serve]')}")
    if keys.token and len(keys.token) < _LEAST_TOKEN:
        raise UserError(f"token=...: has {len(keys.token)} characters; give at least {_LEAST_TOKEN}")
    given = {"token": keys.token, "tls_cert": keys.tls_cert, "tls_key": keys.tls_key}
    if not is_own(keys.host) and (lacking := [f"{name}=" for name, value in given.items() if not value]):
        raise UserError(
            f"host={keys.host}: others can reach it, and browsers give no camera without TLS; add {' '.join(lacking)} "
            "(openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=NAME makes a "
            "certificate of your own), or leave host= out"
        )
    if bool(keys.tls_cert) != bool(keys.tls_key):
        raise UserError(f"tls_cert={keys.tls_cert}: give tls_cert= and tls_key= together")
    if keys.tls_cert:
        _check_certificate(keys)


def listening(host: str, port: int) -> socket.socket:
    """A socket at that address.

    Raises:
        UserError: it is taken or is none of this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # With its protocol: asyncio sends small answers at once on sockets alone that are known to be of TCP.
        bound = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen(_BACKLOG)  # whoever comes while the networks are loaded waits
        except OSError:
            bound.close()
            raise
        return bound
    except socket.gaierror as error:
        raise UserError(f"host={host}: {error.strerror}; give an address of this machine") from error
    except OSError as error:
        raise UserError(f"host={host} port={port}: {error.strerror}; give another, or port=0 for any") from error


def _reachable(host: str) -> str:
    """An address that others can open: of ``0.0.0.0`` and ``::``, which are every address, this machine's own."""
    if host not in ("0.0.0.0", "::"):
        return host
    family, far = (socket.AF_INET, "192.0.2.1") if host == "0.0.0.0" else (socket.AF_INET6, "2001:db8::1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))  # nothing is sent; it only says by which address one would go there
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def _check_certificate(keys: Prediction) -> None:
    for name in ("tls_cert", "tls_key"):
        if not Path(getattr(keys, name)).is_file():
            raise UserError(f"{name}={getattr(keys, name)}: no such file; give a PEM file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(keys.tls_cert, keys.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"tls_cert={keys.tls_cert}: cannot be used with tls_key= ({error})") from error


def _serve(keys: Prediction, bound: socket.socket) -> None:
    from uvicorn import Config, Server

    from normfree.serve.browser.answers import Answers, Shown
    from normfree.serve.browser.app import application
    from normfree.serve.browser.connections import BoundedProtocol
    from normfree.serve.browser.decoder import warm_up
    from normfree.serve.browser.limits import frames, images
    from normfree.serve.browser.reception import Reception
    from normfree.serve.networks import networks_of
    from normfree.serve.speed import fastest

    warm_up()
    shown = [Shown(name, *fastest(network, keys.precision)) for name, network in networks_of(keys)]
    answers = Answers(shown, {"frame": frames(), "image": images()}, keys.top)
    port, secure = bound.getsockname()[1], bool(keys.tls_cert)
    config = Config(
        application(answers, Reception(keys.host, port, keys.token, secure)),
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=keys.tls_cert or None,
        ssl_keyfile=keys.tls_key or None,
        timeout_graceful_shutdown=2,
    )
    answers.start()
    for each in shown:
        size = each.network.preprocessing.size
        print(f"{each.name}, {counted(len(each.network.classes), 'class', 'classes')}, {size} px: {each.way}")
    enter = f"/enter?token={keys.token}" if keys.token else "/"
    url = f"http{'s' if secure else ''}://{bracketed(_reachable(keys.host))}:{port}{enter}"
    print(f"open {url}   (Ctrl-C ends it)", flush=True)
    if keys.open and has_display():
        threading.Timer(1, webbrowser.open, [url]).start()
    try:
        Server(config).run(sockets=[bound])
    except KeyboardInterrupt:
        pass
    finally:
        answers.stop()
    print(answers.summary())
