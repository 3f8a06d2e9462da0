"""Encode a ledger as the zip of an artifact, signed when there is a secret, and decode it.

Anybody who can run a workflow in the repository can upload such an artifact, so every step of
decoding has a limit and nothing is unpacked to disk.
"""

import hashlib
import hmac
import io
import json
import struct
import tempfile
import types
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import IO, Any

from pydantic import TypeAdapter, ValidationError

from batch_action.models.ledger import SCHEMA, Changed, Fact, Intended, Ledger, Selected

LEDGER_ENTRY = "ledger.json"
SIGNATURE_ENTRY = "ledger.hmac"
MAX_ZIPPED_BYTES = 16 * 1024 * 1024
MAX_UNZIPPED_BYTES = 256 * 1024 * 1024
MAX_BYTES_IN_MEMORY = 1024 * 1024
"""A ledger that becomes larger is written to a temporary file first."""
MAX_REASON_CHARS = 200
COMPRESSION_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""The others have no size limit while unpacking, or need an optional module of Python."""
LONG_LISTS = {Selected: "files", Intended: "batches", Changed: "found"}
"""Fields with an entry for each file, request or finding: there are tens of thousands."""
ENTRIES_AT_ONCE = 200
SHARED_FIELDS = frozenset({"path", "blob", "old_blob"})
"""Fields with values that several entries of a ledger have."""
ENTRY_DATE = (2026, 1, 1, 0, 0, 0)
"""Constant, so that equal facts have equal bytes."""

ZIP_ERRORS = (
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
"""What zipfile raises for malformed bytes."""


class RefusedLedgerError(Exception):
    """The bytes are not a trusted ledger; the message is the reason."""

    def __init__(self, reason: str, fix: str = "no setting accepts it") -> None:
        self.fix = fix
        """What would make a later run accept it."""
        super().__init__(reason)


class NewerLedgerError(RefusedLedgerError):
    """A newer version has written it, with facts that this one cannot read."""


class TooLargeError(Exception):
    """The ledger is larger than a later run would read."""


def encode(ledger: Ledger, secret: str | None, reserved_bytes: int = 0) -> bytes:
    """Return the zip of *ledger*, signed when there is a secret.

    Raises TooLargeError: it would be over the limit of `decode`, with *reserved_bytes* (zipped) for
    facts that are yet to come.
    """
    # Bytes in memory that grow would be copied, each time to a larger place.
    with tempfile.SpooledTemporaryFile(MAX_BYTES_IN_MEMORY) as file:
        write(ledger, file, secret, reserved_bytes)
        file.seek(0)
        return file.read()


def write(ledger: Ledger, file: IO[bytes], secret: str | None, reserved_bytes: int = 0) -> None:
    """Write to an empty file what `encode` returns; raises the same."""
    size = 0
    signature = hmac.new((secret or "").encode(), digestmod=hashlib.sha256)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        with archive.open(_entry_info(LEDGER_ENTRY), "w") as entry:
            for piece in _json_pieces(ledger):
                size += entry.write(piece)
                signature.update(piece)
        if secret is not None:
            archive.writestr(_entry_info(SIGNATURE_ENTRY), signature.hexdigest())
    zipped = file.seek(0, io.SEEK_END)
    if zipped + reserved_bytes > MAX_ZIPPED_BYTES or size > MAX_UNZIPPED_BYTES:
        raise TooLargeError(
            f"the ledger has grown to {zipped / 2**20:.1f} MiB zipped; "
            f"a later run reads at most {MAX_ZIPPED_BYTES // 2**20} MiB"
        )


def decode(data: bytes, *, repository: str, task: str, secrets: Sequence[str]) -> Ledger:
    """Return the ledger in these bytes.

    Raises RefusedLedgerError: the zip or the JSON is invalid or too large, the ledger belongs to
    another repository or task, or there are *secrets* and the signature matches none of them.
    """
    try:
        values = _parse(_read_text(data, secrets))
    except (ValueError, RecursionError):
        raise RefusedLedgerError("it is not a JSON object") from None
    try:
        ledger = Ledger.model_validate(values)
    except ValidationError as error:
        raise _refusal(values, error) from None
    if (ledger.repository, ledger.task) != (repository, task):
        raise RefusedLedgerError("it belongs to another repository or task")
    return ledger


def _read_text(data: bytes, secrets: Sequence[str]) -> str:
    """Return the JSON of the ledger in a zip, if a secret has signed it or there is none.

    Raises RefusedLedgerError; UnicodeDecodeError: it is not UTF-8.
    """
    entries = _read_entries(data)
    text = entries.get(LEDGER_ENTRY)
    if text is None:
        raise RefusedLedgerError(f"it has no entry {LEDGER_ENTRY}")
    if secrets and not any(
        hmac.compare_digest(entries.get(SIGNATURE_ENTRY, b""), sign(text, secret))
        for secret in secrets
    ):
        raise RefusedLedgerError(
            "its signature does not match `state-secret`",
            "set `state-secret-previous` to accept what an earlier secret has signed",
        )
    return text.decode()


def _json_pieces(ledger: Ledger) -> Iterator[bytes]:
    """Yield the JSON of a ledger, at most `ENTRIES_AT_ONCE` entries of a fact at a time."""
    rest = ledger.model_dump_json(exclude_none=True, exclude={"facts"})
    yield f'{rest.removesuffix("}")},"facts":['.encode()
    for number, fact in enumerate(ledger.facts):
        if number:
            yield b","
        yield from _fact_pieces(fact)
    yield b"]}"


def _fact_pieces(fact: Fact) -> Iterator[bytes]:
    name = LONG_LISTS.get(type(fact))
    if name is None:
        yield _dump(fact, type(fact))
        return
    # In a JSON string each quotation mark is escaped, so that the key itself is found.
    key = f'"{name}":['.encode()
    head, _, tail = _dump(fact.model_copy(update={name: ()}), type(fact)).partition(key)
    yield head + key
    yield from _list_pieces(getattr(fact, name))
    yield tail


def _list_pieces(items: Sequence[Any]) -> Iterator[bytes]:
    """Yield the JSON of entries, or of lists of entries, without the brackets around all."""
    if any(isinstance(item, tuple) for item in items):
        for number, item in enumerate(items):
            yield b",[" if number else b"["
            yield from _list_pieces(item)
            yield b"]"
        return
    for start in range(0, len(items), ENTRIES_AT_ONCE):
        some = items[start : start + ENTRIES_AT_ONCE]
        json_list = _dump(some, types.GenericAlias(tuple, (type(some[0]), ...)))
        yield (b"," if start else b"") + json_list[1:-1]


def _dump(value: object, kind: Any) -> bytes:
    # Not `model_dump_json`: what that returns would be encoded, into a second copy.
    return _adapter(kind).dump_json(value, exclude_none=True)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what writes values of one of the kinds of facts, or of entries: it is slow to make."""
    return TypeAdapter(kind)


def _entry_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, ENTRY_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def sign(text: bytes, secret: str) -> bytes:
    """Return the HMAC-SHA256 of *text* in hex digits."""
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest().encode()


def _read_entries(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if len(set(names)) != len(names) or not set(names) <= {LEDGER_ENTRY, SIGNATURE_ENTRY}:
                raise RefusedLedgerError("it has entries that a ledger does not have")
            if sum(info.file_size for info in infos) > MAX_UNZIPPED_BYTES:
                raise RefusedLedgerError("it would unpack to more than the limit of a ledger")
            if not {info.compress_type for info in infos} <= COMPRESSION_METHODS:
                raise RefusedLedgerError("it is compressed by a method that a ledger does not use")
            return {info.filename: _read_entry(archive, info) for info in infos}
    except ZIP_ERRORS as error:
        raise RefusedLedgerError(f"it is not a readable zip ({_shorten(str(error))})") from None


def _read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read at most the declared size: a zip may declare a wrong one."""
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) > info.file_size:
        raise RefusedLedgerError("it unpacks to more than it declares")
    return data


def _parse(text: str) -> object:
    """Parse JSON. Raises ValueError or RecursionError: it is none.

    pydantic's own parser would leave its memory to nobody: some 1,000 bytes a request.
    """
    values: object = json.loads(text, object_hook=_StringSharer().share)
    if "\\ud" in text or "\\uD" in text:
        # A lone surrogate, which no destination could encode.
        json.dumps(values, ensure_ascii=False).encode()
    return values


class _StringSharer:
    """Makes equal paths and blobs one string: those of a selected file are in its requests too."""

    def __init__(self) -> None:
        self._strings: dict[str, str] = {}

    def share(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return *values* with the strings that came before."""
        for name in SHARED_FIELDS & values.keys():
            if isinstance(value := values[name], str):
                values[name] = self._strings.setdefault(value, value)
        return values


def _refusal(values: object, error: ValidationError) -> RefusedLedgerError:
    if not isinstance(values, dict):
        return RefusedLedgerError("it is not a JSON object")
    version = values.get("schema_version")
    if isinstance(version, int) and version > SCHEMA:
        reason = f"it was written by a newer batch-action (schema {version})"
        return NewerLedgerError(reason, "update this one")
    first = error.errors()[0]
    field = ".".join(str(x) for x in first["loc"]) or "the ledger"
    return RefusedLedgerError(_shorten(f"{field}: {first['msg']}"))


def _shorten(text: str) -> str:
    """Make it fit for a log line: names and values in it are not trusted."""
    plain = "".join(char if char.isprintable() else "?" for char in text)
    return plain if len(plain) <= MAX_REASON_CHARS else plain[: MAX_REASON_CHARS - 1] + "…"
