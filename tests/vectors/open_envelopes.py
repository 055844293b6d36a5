"""The portal of `tests/it/crypto_python.rs`: reads what the proxy's channel wrote, and answers under its keys.

Standard input is a list of cases; standard output has what was read in each of them, and an answer to each
message. Any disagreement ends the program with an error.
"""

import json
import os
import sys

import portal


def answered(case, key):
    padding = portal.oaep(case["oaep"], case["mgf1"])
    hello = json.loads(bytes.fromhex(case["hello"]))
    assert list(hello) == ["keyId", "encReqKey", "encRespKey"], list(hello)
    request_key, response_key = (
        key.decrypt(portal.from_text(hello[name]), padding) for name in ("encReqKey", "encRespKey")
    )
    assert len(request_key) == len(response_key) == 32 and request_key != response_key

    spelling = case["aad"], case["session_id"], case["envelope"], case["base64"]
    opened, answers = [], []
    for body in case["requests"]:
        plain = portal.open_request(request_key, bytes.fromhex(body), *spelling)
        opened.append(plain.hex())
        # Read backwards, so that nobody can pass by echoing.
        answers.append(portal.seal(response_key, os.urandom(12), plain[::-1], *spelling).hex())
    return {"key_id": hello["keyId"], "opened": opened, "answers": answers}


def answered_first(case, key):
    """SCv2 type 1: both keys in front of the first message."""
    body = bytes.fromhex(case["first_message"])
    assert body[:4] == b"SC\x02\x01", body[:4]
    at = 5 + body[4]
    fields = [body[5:at]]
    for _ in range(2):
        length = int.from_bytes(body[at : at + 2], "big")
        fields.append(body[at + 2 : at + 2 + length])
        at += 2 + length
    padding = portal.oaep(case["oaep"], case["mgf1"])
    request_key, response_key = (key.decrypt(field, padding) for field in fields[1:])
    plain = portal.AESGCM(request_key).decrypt(body[at : at + 12], body[at + 12 :], None)
    answer = portal.seal(response_key, os.urandom(12), plain[::-1], "none", "", "binary", "standard")
    return {"key_id": fields[0].decode(), "opened": [plain.hex()], "answers": [answer.hex()]}


def main():
    key = portal.private_key()
    cases = json.load(sys.stdin)
    json.dump([answered_first(c, key) if "first_message" in c else answered(c, key) for c in cases], sys.stdout)


if __name__ == "__main__":
    main()
