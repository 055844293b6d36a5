#!/usr/bin/env python3
"""The side-by-side bench with this project's envelope, {"v":2,"p":base64(iv || ciphertext || tag)}, for workload c.

  BENCH_HOME=…/bench crates/bench/sealed.py --cmd 'portunus=target/release/portunus run -c {config}' \\
      --config portunus=crates/bench/subject.toml --peer node-undici --workload c

Takes the arguments of run.py in $BENCH_HOME, and changes two things in it: how the upstream's answers are sealed, and
the Node peer, which is peers/undici.js beside this file."""
import base64, importlib.util, json, os, sys

HERE = os.path.dirname(os.path.abspath(__file__))
SCRATCH = os.environ.get("BENCH_TMP", "/tmp/perf")
PYTHON = f"{SCRATCH}/venv/bin/python"
if os.path.exists(PYTHON) and sys.prefix != f"{SCRATCH}/venv":
    os.execv(PYTHON, [PYTHON, __file__] + sys.argv[1:])
if "BENCH_HOME" not in os.environ:
    sys.exit("error: set BENCH_HOME to the folder of run.py")

spec = importlib.util.spec_from_file_location("run", f"{os.environ['BENCH_HOME']}/run.py")
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)


def seal(plain):
    iv = os.urandom(12)
    return b'{"v":2,"p":"%s"}' % base64.b64encode(iv + run.aes().encrypt(iv, plain, None))


def unseal(body):
    envelope = json.loads(body)
    assert envelope["v"] == 2
    payload = base64.b64decode(envelope["p"])
    return run.aes().decrypt(payload[:12], payload[12:], None)


run.seal, run.unseal = seal, unseal
run.PEERS["node-undici"] = dict(cmd=f"node {HERE}/peers/undici.js {{listen_port}} {{upstream_port}}", on="c")
run.main()
