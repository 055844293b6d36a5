"""The portal's side of PROTOCOL sections 3 and 4 on PyPI's `cryptography`; shares nothing with the proxy."""

import base64
import json
import pathlib
import sys

try:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as error:
    sys.exit(f"the Python package `cryptography` is missing ({error}): python3 -m pip install cryptography")

HERE = pathlib.Path(__file__).parent
HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}
REQUEST, ANSWER = 0x02, 0x81


def private_key():
    """The test portal's RSA key; guards nothing."""
    pem = (HERE / "portal_key.pem").read_bytes()
    return serialization.load_pem_private_key(pem, password=None)


def spki(key):
    """What `GET public-key` announces."""
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


def oaep(oaep_hash, mgf1_hash):
    return padding.OAEP(mgf=padding.MGF1(HASHES[mgf1_hash]()), algorithm=HASHES[oaep_hash](), label=None)


def to_text(raw, alphabet):
    if alphabet == "standard":
        return base64.b64encode(raw).decode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def from_text(text):
    # `validate` refuses stray bytes; Python's own default would skip them.
    text = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def additional_data(aad, session_id):
    return session_id.encode() if aad == "session_id" else None


def seal(key, iv, plain, aad, session_id, envelope, alphabet):
    """An answer as the portal would send it."""
    payload = iv + AESGCM(key).encrypt(iv, plain, additional_data(aad, session_id))
    if envelope == "binary":
        return b"SC\x02" + bytes([ANSWER]) + payload
    return json.dumps({"v": 2, "p": to_text(payload, alphabet)}, separators=(",", ":")).encode()


def open_request(key, body, aad, session_id, envelope, alphabet):
    """A request as the proxy sealed it; strict about every byte of its spelling."""
    if envelope == "binary":
        assert body[:4] == b"SC\x02" + bytes([REQUEST]), body[:4]
        payload = body[4:]
    else:
        text = json.loads(body)
        assert list(text) == ["v", "p"] and text["v"] == 2, "not an envelope"
        payload = from_text(text["p"])
        assert text["p"] == to_text(payload, alphabet), "the wrong alphabet or padding"
    return AESGCM(key).decrypt(payload[:12], payload[12:], additional_data(aad, session_id))
