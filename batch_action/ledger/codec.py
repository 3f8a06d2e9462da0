"""A ledger as the bytes of an artifact, and back: small, checked, and signed if there is a secret.

What comes back may have been made by anybody who can run a workflow in the repository, so every
step has a cap and nothing is unpacked to disk.
"""

import hashlib
import hmac
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Sequence

from pydantic import ValidationError

from batch_action.models.ledger import Ledger

NAME = "ledger.json"
SIGNATURE = "ledger.hmac"
MAX_ZIPPED = 16 * 1024 * 1024
MAX_UNZIPPED = 256 * 1024 * 1024
LONGEST_REASON = 200
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""The others unpack without a cap, or need what an interpreter may lack."""
FIXED_DATE = (2026, 1, 1, 0, 0, 0)
"""The same facts make the same bytes."""

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)
"""What zipfile raises for bytes that are no sound zip."""


class RefusedLedgerError(Exception):
    """These bytes are not a ledger we may believe; the message says why."""

    def __init__(self, why: str, admit: str = "nothing admits it") -> None:
        self.admit = admit
        """What would have it believed."""
        super().__init__(why)


class TooLargeError(Exception):
    """The ledger would not be read back: it must not be paid for."""


def seal(ledger: Ledger, secret: str | None, room: int = 0) -> bytes:
    """The zip of *ledger*, signed when there is a secret.

    Raises TooLargeError when it, and *room* bytes of facts to come, would not be read back.
    """
    text = ledger.model_dump_json(exclude_none=True).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(_entry(NAME), text)
        if secret is not None:
            archive.writestr(_entry(SIGNATURE), _sign(text, secret))
    data = buffer.getvalue()
    if len(data) + room > MAX_ZIPPED or len(text) > MAX_UNZIPPED:
        raise TooLargeError(
            f"the ledger has grown to {len(data) / 2**20:.1f} MiB zipped; "
            f"{MAX_ZIPPED // 2**20} MiB is what a later run would read"
        )
    return data


def unseal(data: bytes, *, repository: str, task: str, secrets: Sequence[str]) -> Ledger:
    """The ledger in these bytes.

    With *secrets* the signature must match one of them. Raises RefusedLedgerError.
    """
    entries = _entries(data)
    text = entries.get(NAME)
    if text is None:
        raise RefusedLedgerError(f"it holds no {NAME}")
    if secrets and not any(
        hmac.compare_digest(entries.get(SIGNATURE, b""), _sign(text, secret)) for secret in secrets
    ):
        raise RefusedLedgerError(
            "its signature does not match `state-secret`",
            "`state-secret-previous` admits what an earlier secret has signed",
        )
    try:
        ledger = Ledger.model_validate_json(text)
    except ValidationError as error:
        raise RefusedLedgerError(_why(text, error)) from None
    if (ledger.repository, ledger.task) != (repository, task):
        raise RefusedLedgerError("it belongs to another repository or task")
    return ledger


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, FIXED_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _sign(text: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest().encode()


def _entries(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if len(set(names)) != len(names) or not set(names) <= {NAME, SIGNATURE}:
                raise RefusedLedgerError("it holds other entries than a ledger has")
            if sum(info.file_size for info in infos) > MAX_UNZIPPED:
                raise RefusedLedgerError("it would unpack to more than a ledger may have")
            if not {info.compress_type for info in infos} <= METHODS:
                raise RefusedLedgerError("it is packed by a method a ledger does not use")
            return {info.filename: _read(archive, info) for info in infos}
    except BROKEN as error:
        raise RefusedLedgerError(f"it is no readable zip ({_short(str(error))})") from None


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """At most the declared size: a zip may lie about it."""
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) > info.file_size:
        raise RefusedLedgerError("it unpacks to more than it declares")
    return data


def _why(text: bytes, error: ValidationError) -> str:
    try:
        version = json.loads(text).get("schema_version")
    except (ValueError, AttributeError, RecursionError):
        return "it is no JSON object"
    if isinstance(version, int) and version > 1:
        return f"it was written by a newer batch-action (schema {version}): update this one"
    first = error.errors()[0]
    place = ".".join(str(x) for x in first["loc"]) or "the ledger"
    return _short(f"{place}: {first['msg']}")


def _short(text: str) -> str:
    """Fit for a log line: names and values in here may be anybody's."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= LONGEST_REASON else plain[: LONGEST_REASON - 1] + "…"
