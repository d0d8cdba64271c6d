# SPDX-License-Identifier: Apache-2.0
"""The live view: the page at / and its parts under /view, as they lie in apps/view. No build step, nobody else's host."""

from __future__ import annotations

import hashlib
from pathlib import Path

from webob import Response

from apps.rest.lookup import not_found
from apps.rest.problems import NOT_FOUND, quoted
from apps.rest.routing import Call, Good, Route, raw_response

HTML = "text/html"
PAGE = "index.html"
_FOLDER = Path(__file__).resolve().parents[1] / "view"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": f"{HTML}; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
HEADERS = {
    # Everything comes from here, and nothing is ever made code or style of what the controller tells.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
                               "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
                               "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class View:
    """All files of the page, in memory: a hundred kilobytes that the event loop need not read from a disk."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._files = {
            path.name: (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted(folder.iterdir()) if path.suffix in _TYPES
        }
        digest = hashlib.sha256()
        for name, (octets, _) in self._files.items():
            digest.update(f"{name}\0{len(octets)}\0".encode() + octets)
        self.revision = f"view-{digest.hexdigest()[:16]}"
        """One for all of them: modules of different versions must not meet in a browser."""

    def routes(self) -> tuple[Route, ...]:
        """Theirs; the page itself is one of the two answers of /."""
        return (
            Route(method="GET", path="/view/{file}", summary="a part of the page at /", answer=self.get_view_file,
                  tag="process", role=None, problems=(NOT_FOUND,), revision=lambda _: self.revision,
                  answers=(Good(description="Script, style, font or picture.", media_type="*/*"),)),
        )

    def get_view_file(self, call: Call) -> Response:
        """One file of the page."""
        name = call.names["file"]
        if name not in self._files:
            raise not_found("file", f"the page has no part {quoted(name)}")
        return self._answer(name)

    def page(self) -> Response:
        """What a browser gets at /."""
        return self._answer(PAGE)

    def _answer(self, name: str) -> Response:
        octets, content_type = self._files[name]
        response = raw_response(octets, content_type)
        response.headers.update(HEADERS)
        return response
