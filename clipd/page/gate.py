"""Who may see the page: the browser that was sent here, and nothing else that runs in it or beside.

Any program of the machine can connect to a port of loopback, and any web page can have the browser
do so. So a browser enters once, with a word from a file that only its user can read; from then on
it shows a cookie, which no other site can make it send, and every request must say that it comes
from this page, at this address.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Mapping

from clipd.errors import RequestError

COOKIE = "clipd-page"


class Gate:
    """Lets one browser in. Any thread.

    Args:
        port: of this page.
        seconds: for a browser to enter.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self.address = f"127.0.0.1:{port}"
        # Cookies know no ports: another clipd's page on this machine must not take ours away.
        self.cookie = f"{COOKIE}-{port}"
        self._seconds = seconds
        self.word = secrets.token_urlsafe(32)
        self._until = time.monotonic() + seconds
        self._session = secrets.token_urlsafe(32)
        self._lock = threading.Lock()
        self._is_used = False  # guarded by _lock

    def enter(self, word: str) -> str:
        """Take the word of entry, once; return the cookie that stands for it.

        Raises:
            RequestError: it is not the word, or it was used, or it is too old.
        """
        with self._lock:
            is_right = hmac.compare_digest(word.encode(), self.word.encode())
            if not is_right or self._is_used or time.monotonic() > self._until:
                message = f"this address works once, and for {self._seconds:g} s"
                raise RequestError("no_entry", f"{message}; run clipctl browse again", 403)
            self._is_used = True
        return self._session

    def check_address(self, headers: Mapping[str, str]) -> None:
        """Refuse what was asked of another name: a hostile site may point its name here.

        Raises:
            RequestError: it is not asked of this address.
        """
        if headers.get("host") != self.address:
            raise RequestError("wrong_host", f"this page is at http://{self.address}", 403)

    def check(self, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> None:
        """Refuse a request that does not come from the page itself.

        Raises:
            RequestError: it comes from elsewhere.
        """
        self.check_address(headers)
        shown = cookies.get(self.cookie, "")
        if not hmac.compare_digest(shown.encode(), self._session.encode()):
            message = "this browser was not let in; run clipctl browse"
            raise RequestError("no_entry", message, 403)
        # Browsers since 2023 say where a request comes from; "none" is the user, at the address.
        site = headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none"):
            raise RequestError("wrong_site", "only this page itself may ask that", 403)
        if method != "GET" and headers.get("origin") != f"http://{self.address}":
            raise RequestError("wrong_site", "only this page itself may ask that", 403)
