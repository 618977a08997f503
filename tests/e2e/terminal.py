"""A command of `tumbler tke` on a terminal of its own, driven by its prompts alone, as scripts for Trusted Key Entry do.

A prompt is matched exactly, and any other prompt in its place fails at once.
"""

import os

import pexpect

PROGRAM = os.environ["TUMBLER_BINARY"]
PATIENCE = 90  # seconds
ANSWERED_AT = "\r\n> "


class Wrong(Exception):
    """The program said something else than was expected."""


class Command:
    def __init__(self, *args):
        self.name = "tumbler tke " + " ".join(args)
        self.said = ""
        self.process = pexpect.spawn(PROGRAM, ["tke", *args], timeout=PATIENCE, encoding="utf-8", dimensions=(60, 250))

    def wrong(self, problem):
        self.process.close(force=True)
        raise Wrong(f"$ {self.name}\n{self.said}\n--- {problem}")

    def wait(self, *wanted):
        """Which of the texts came first."""
        try:
            first = self.process.expect_exact(list(wanted))
        except pexpect.TIMEOUT:
            self.said += self.process.before
            self.wrong(f"waited {PATIENCE} s for one of {wanted}")
        self.said += self.process.before
        if self.process.after is not pexpect.EOF:
            self.said += self.process.after
        return first

    def prompt(self, text):
        if self.wait(ANSWERED_AT, pexpect.EOF) == 1:
            self.wrong(f"it ended, and was to ask {text!r}")
        asked = self.said.removesuffix(ANSWERED_AT)
        text = text.replace("\n", "\r\n")
        if asked != text and not asked.endswith("\r\n" + text):
            self.wrong(f"it was to ask {text!r}")

    def answer(self, text):
        self.process.sendline(text)

    def sees(self, text):
        """The text comes, and no prompt before it."""
        if self.wait(text, ANSWERED_AT, pexpect.EOF) != 0:
            self.wrong(f"it was to say {text!r}")

    def interrupt(self):
        """Ctrl-C, and the end of the command, which says so."""
        self.process.sendintr()
        self.ends(1, ["FAILED", "interrupted"])

    def ends(self, code, says=()):
        """The command ends with that code, and has said these texts in their order."""
        if self.wait(ANSWERED_AT, pexpect.EOF) == 0:
            self.wrong("it asked, and was to end")
        self.process.close()
        if self.process.exitstatus != code:
            self.wrong(f"it ended with {self.process.exitstatus}, and was to end with {code}")
        rest = self.said
        for text in says:
            before, found, rest = rest.partition(text)
            if not found:
                self.wrong(f"it was to say {text!r}")
        return self.said


class Ask:
    """A prompt and the answer to it. What is asked once is not asked again after it was answered."""

    def __init__(self, prompt, answer, once=False):
        self.prompt, self.answer, self.once = prompt, answer, once


def opened(args, dialogue):
    """A command that has its answers to all of the dialogue."""
    command = Command(*args)
    for ask in dialogue:
        command.prompt(ask.prompt)
        command.answer(ask.answer)
    return command


def interrupted(args, dialogue):
    """The same command, ended by Ctrl-C at each of its prompts. It gives what is still asked."""
    at = 0
    while at < len(dialogue):
        command = opened(args, dialogue[:at])
        command.prompt(dialogue[at].prompt)
        command.interrupt()
        kept = [ask for ask in dialogue[:at] if not ask.once]
        dialogue, at = kept + dialogue[at:], len(kept) + 1
    return dialogue


def converse(args, dialogue, says):
    """A whole dialogue, after the same was ended at each of its prompts."""
    return opened(args, interrupted(args, dialogue)).ends(0, says)


def shows(args, says):
    """A command that asks nothing."""
    return Command(*args).ends(0, says)
