"""An http or https address comes in; its bytes, up to a size, or one clear line about what went wrong, come out."""

import urllib.error
import urllib.parse
import urllib.request
from typing import IO

from parrotlet.errors import ParrotletError, UsageError

LARGEST_DOWNLOAD = 4 << 30
"""Bytes that a URL may send."""
TIMEOUT = 30
"""Seconds without an answer after which a download is given up."""


def file_name(url: str) -> str:
    """The last part of an address, which stands for it in notes and tells the kind."""
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path).rsplit("/", 1)[-1] or url


class _OnlyWeb(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_scheme(url: str) -> None:
    """Raises UsageError for anything but http and https."""
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise UsageError(f"{url}: only http and https addresses are read, not {scheme}")


def download(url: str, to: IO[bytes], most: int = LARGEST_DOWNLOAD) -> None:
    """Copies what a web address sends into a file. Raises ParrotletError when offline, refused or above ``most``."""
    check_scheme(url)
    opener = urllib.request.build_opener(_OnlyWeb)
    request = urllib.request.Request(url, headers={"User-Agent": "parrotlet"})
    got = 0
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            while block := answer.read(1 << 18):
                got += len(block)
                if got > most:
                    raise ParrotletError(f"{url}: it sends more than {most >> 20:,} MiB")
                to.write(block)
            promised = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as error:
        raise ParrotletError(f"{url}: the server answers {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:  # URLError, timeouts, resets, names that do not resolve, bad addresses
        reason = getattr(error, "reason", None) or error
        raise ParrotletError(f"{url}: can not be fetched ({reason}); are you offline?") from None
    except Exception as error:  # http.client's own errors
        if isinstance(error, ParrotletError):
            raise
        raise ParrotletError(f"{url}: can not be fetched ({error!r})") from None
    if promised is not None and promised.isdigit() and got < int(promised):
        raise ParrotletError(f"{url}: the download broke off after {got:,} of {int(promised):,} bytes")
