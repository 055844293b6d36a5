#!/usr/bin/env python3
"""Plays a person at a terminal, and prints what the terminal shows.

    docs/recorded/record.py target/debug/portunus target/debug/portal-sim > docs/recorded/account.txt

Registers an account at the simulator, gives it a password and an authenticator, signs in with each factor and changes
the password. The e-mails and the authenticator's codes are read at the simulator's control port. What differs from run
to run stands in angle brackets. Nothing but Python's standard library is needed; tests/it/recorded.rs compares.
"""

import codecs
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

EMAIL = "new@example.com"
FIRST = "the first password"
SECOND = "the second password"
DEADLINE = 60  # seconds for one answer of a program


class Portal:
    """The simulator as a program, and its control port."""

    def __init__(self, program):
        flags = ["--json", "--control", "127.0.0.1:0"]
        self.process = subprocess.Popen([program, *flags], stdout=subprocess.PIPE)
        told = json.loads(self.process.stdout.readline())
        self.url, self.control, self.access_code = told["url"], told["control"], told["accessCode"]

    def ask(self, path):
        with urllib.request.urlopen(f"{self.control}/{path}", timeout=DEADLINE) as answer:
            return json.load(answer)

    def mailed(self):
        """The code of the newest e-mail."""
        return self.ask(f"inbox/{EMAIL}")[-1]["code"]

    def shown(self):
        """What the authenticator shows; while one is set up, the code of the new secret."""
        for which in ("?unspent", ""):
            try:
                return self.ask(f"otp/{EMAIL}{which}")["code"]
            except urllib.error.HTTPError:
                pass
        raise SystemExit("the simulator has no code to show")


class Terminal:
    """A terminal of 80 columns with somebody in front of it."""

    def __init__(self, program, home, access_code):
        self.program = program
        self.environment = {
            "HOME": home,
            "XDG_RUNTIME_DIR": home,
            "PORTAL_ACCESS_CODE": access_code,
            "TERM": "dumb",  # neither colours nor signs of waiting
            "PATH": os.defpath,
        }

    def serve(self, *arguments):
        """Starts a program that stays; gives it and the first line that it says."""
        process = subprocess.Popen(
            [self.program, *arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return process, process.stdout.readline().decode().rstrip()

    def run(self, command, answers=()):
        """Runs `portunus COMMAND`; to each prompt that ends with a question's words, gives the answer."""
        print(f"$ portunus {command}")
        child, screen = pty.fork()
        if child == 0:
            os.execve(self.program, [self.program, *command.split()], self.environment)
        seen, answered, answers = "", 0, list(answers)
        decoder = codecs.getincrementaldecoder("utf-8")()
        while True:
            if answers and answers[0][0] in last_line(seen[answered:]):
                answer = answers.pop(0)[1]
                os.write(screen, (answer() if callable(answer) else answer).encode() + b"\r")
                answered = len(seen)
            ready, _, _ = select.select([screen], [], [], DEADLINE)
            if not ready:
                raise SystemExit(f"nothing comes any more after:\n{shown(seen)}")
            try:
                new = os.read(screen, 65536)
            except OSError:  # the program has ended
                break
            if not new:
                break
            seen += decoder.decode(new)
        _, status = os.waitpid(child, 0)
        print(masked(shown(seen)))
        if status != 0 or answers:
            raise SystemExit(f"it ended with {os.waitstatus_to_exitcode(status)}; not asked: {answers}")


def last_line(text):
    return text.rsplit("\n", 1)[-1]


def shown(text):
    """What stays on the screen: a line that is drawn anew takes the place of the one before."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rsplit("\r", 1)[-1].replace("\b", "").rstrip() for line in lines).strip("\n")


def masked(text):
    """Without what differs from run to run."""
    text = re.sub(r"(?m)(^[ █▀▄]*[█▀▄][ █▀▄]*\n\n*)+", "<the QR code>\n", text)
    for pattern, name in [
        (r"\b[A-Z2-7]{16,}\b", "<secret>"),
        (r"\busr_[0-9a-f]+\b", "<id>"),
        (r"\b\d{6,10}\b", "<code>"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>"),
        (r"\b(\d+ (h|min|m|s) ?)+left", "<time> left"),
        (r"\b\d+:\d\d\b", "<time>"),
        (r"\b(\d+ ?(h|min|m|s)\b ?)+", "<time> "),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    ]:
        text = re.sub(pattern, name, text)
    return re.sub(r"(?m) +$", "", text).replace("<time> )", "<time>)").replace("<time> ,", "<time>,")


def main():
    portunus, portal_sim = (os.path.abspath(program) for program in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as home:
        portal = Portal(portal_sim)
        config = os.path.join(home, ".config", "portunus", "proxy.toml")
        os.makedirs(os.path.dirname(config))
        with open(config, "w") as file:
            file.write(
                f'[listen]\naddresses = ["127.0.0.1:0"]\n[upstream]\nurl = "{portal.url}"\n'
                '[portal]\naccess_code = { env = "PORTAL_ACCESS_CODE" }\n'
            )
        terminal = Terminal(portunus, home, portal.access_code)
        proxy, line = terminal.serve("run")
        try:
            print("$ portunus run &")
            print(masked(line))
            new = [("new password: ", FIRST), ("again: ", FIRST)]
            terminal.run(f"register --email {EMAIL} --name New", [("code from the e-mail", portal.mailed), *new])
            terminal.run(f"login --email {EMAIL}", [("password", FIRST), ("code from the e-mail", portal.mailed)])
            terminal.run("mfa setup otp", [("code from the authenticator", portal.shown)])
            terminal.run("logout")
            otp = [("password", FIRST), ("code from the authenticator", portal.shown)]
            terminal.run(f"login --email {EMAIL} --mfa otp", otp)
            change = [("current password", FIRST), ("new password: ", SECOND), ("again: ", SECOND)]
            terminal.run("password change", change)
            terminal.run("whoami")
            terminal.run("logout")
        finally:
            for process in (proxy, portal.process):
                process.terminate()
                process.wait(DEADLINE)


if __name__ == "__main__":
    main()
