"""Writes envelopes.json: answers sealed and keys wrapped by Python's `cryptography`, for the proxy to open.

    python3 -m pip install cryptography && python3 tests/vectors/make_envelopes.py

AES keys, IVs and texts follow from their labels, so the envelopes come out the same each time. The RSA key is
made once and kept; what it wraps differs from run to run, since OAEP is randomized.
"""

import hashlib
import json

import portal
from portal import HERE, rsa, serialization

TEXTS = {
    "empty": b"",
    "one byte": b"1",
    "object": b'{"success":true,"code":"2000","data":{"accessToken":"t-1"}}',
    "unicode": '{"message":"成功 – thành công"}'.encode(),
    "4 KiB and 1": bytes(i * 31 % 251 for i in range(4097)),
}


def derived(label, length):
    return hashlib.shake_128(label.encode()).digest(length)


def key_once():
    path = HERE / "portal_key.pem"
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        path.write_bytes(pem)
    return portal.private_key()


def envelopes():
    for envelope, alphabet in [("json", "standard"), ("json", "url"), ("binary", "standard")]:
        for aad in ["none", "session_id"]:
            for name, text in TEXTS.items():
                label = f"{envelope}/{alphabet}/{aad}/{name}"
                key, iv = derived(f"key {label}", 32), derived(f"iv {label}", 12)
                session_id = "sess_" + derived(f"id {label}", 6).hex()
                body = portal.seal(key, iv, text, aad, session_id, envelope, alphabet)
                yield {
                    "label": label,
                    "envelope": envelope,
                    "base64": alphabet,
                    "aad": aad,
                    "session_id": session_id,
                    "key": key.hex(),
                    "body": body.hex(),
                    "plain": text.hex(),
                }


def wrapped(key):
    for oaep_hash in portal.HASHES:
        for mgf1_hash in portal.HASHES:
            secret = derived(f"wrapped {oaep_hash} {mgf1_hash}", 32)
            ciphertext = key.public_key().encrypt(secret, portal.oaep(oaep_hash, mgf1_hash))
            yield {
                "oaep": oaep_hash,
                "mgf1": mgf1_hash,
                "secret": secret.hex(),
                "wrapped": portal.to_text(ciphertext, "standard"),
            }


def main():
    key = key_once()
    document = {
        "made_by": "tests/vectors/make_envelopes.py",
        "public_key": portal.spki(key),
        "wrapped": list(wrapped(key)),
        "envelopes": list(envelopes()),
    }
    (HERE / "envelopes.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
