"""The identity with which lanes is paired with an OpenClaw gateway: an Ed25519 key and the token of the device.

There are two for each source: one that may only read, and one that may abort. Each is a file with mode 0600. The
shared token of the gateway is needed once, for pairing, and is never stored.
"""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lanes.config.declared import places
from lanes.host.files import put
from lanes.watch.adapter import SourceDown
from lanes.watch.reading import typed
from lanes_storage.law import SourceState
from lanes_storage.reads.shapes import parsed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Device:
    """One paired device. ``path``: its file, written when the gateway has given it a token."""

    def __init__(self, path: Path, scopes: Sequence[str]) -> None:
        self.path, self.scopes = path, tuple(scopes)
        self.token = ""
        self._key: Ed25519PrivateKey | None = None
        self._load()

    def _load(self) -> None:
        """Read its file, if there is one. Raises SourceDown if others may read it."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        except OSError as error:
            raise SourceDown(SourceState.REFUSED, f"{self.path} cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & 0o077 or status.st_uid != os.geteuid():
                why = f"{self.path} can be read by others"
                raise SourceDown(SourceState.REFUSED, why, f"`chmod 600 {self.path}`, if nobody else has read it")
            form = parsed(file.read(), dict)
        self.token = typed(form, "token", str, "")
        if private := typed(form, "private", str, ""):
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            try:
                self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private))
            except ValueError as error:
                raise SourceDown(
                    SourceState.REFUSED, f"{self.path} holds no key", "remove it and pair again"
                ) from error

    @property
    def key(self) -> "Ed25519PrivateKey":
        """Its key, made at the first use."""
        if self._key is None:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            self._key = Ed25519PrivateKey.generate()
        return self._key

    def keep(self, token: str) -> None:
        """Store the token that the gateway gave the device, if it is a new one."""
        if not token or token == self.token:
            return
        self.token = token
        private = base64.b64encode(self.key.private_bytes_raw()).decode()
        places.make_private(self.path.parent)
        put(self.path, json.dumps({"private": private, "token": token, "scopes": self.scopes}))

    def signed(self, challenge: Any, client: str, role: str, secret: str) -> dict[str, Any]:
        """The signed answer to the challenge of a gateway, bound to the role and scopes that are requested."""
        at, nonce = typed(challenge, "ts", int, 0), typed(challenge, "nonce", str, "")
        public = self.key.public_key().public_bytes_raw()
        name = hashlib.sha256(public).hexdigest()
        text = "|".join(("v2", name, client, client, role, ",".join(self.scopes), str(at), secret, nonce))
        signature = self.key.sign(text.encode("utf-8", "replace"))
        return {
            "id": name, "publicKey": _base64(public), "signature": _base64(signature), "signedAt": at, "nonce": nonce
        }  # fmt: skip


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
